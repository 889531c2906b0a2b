// Package thirdparty holds tests that run other people's proxies and multiplexers,
// unmodified, on fakenet. It is a module of its own, so that edgewise depends on
// none of them.
package thirdparty
