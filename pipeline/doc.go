// Package pipeline is Envoy's connection-establishment path, from accept to the
// first routed byte, on the boundary of package poller.
package pipeline
