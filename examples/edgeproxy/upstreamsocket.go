package main

import (
	"slices"

	"edgewise.test/pipeline"
	"edgewise.test/pipeline/proxyprotocol"
)

// preface is what a host gets before the bytes of the client.
type preface func(dst []byte, downstream *pipeline.ConnectionInfo) []byte

// readUpstreamTransportSocket reads the transport socket of a cluster: the raw one,
// or a PROXY protocol header (envoy.config.core.v3.ProxyProtocolConfig) in front
// of it.
func readUpstreamTransportSocket(n node) preface {
	if n.field("name").value == rawBuffer.name {
		readExtension(n, rawBuffer)
		return nil
	}
	n.object("name", "typed_config")("name").required().oneOf(upstreamProxyProtocol.name, rawBuffer.name)
	field := readExtension(n, upstreamProxyProtocol, "config", "transport_socket")
	readExtension(field("transport_socket").required(), rawBuffer)

	config := field("config").object("version", "pass_through_tlvs", "added_tlvs")
	passes := readPassThroughTLVs(config("pass_through_tlvs"))
	var added []proxyprotocol.TLV
	for _, n := range config("added_tlvs").list() {
		tlv := n.object("type", "value")
		added = append(added, proxyprotocol.TLV{Type: tlv("type").required().byte(), Value: tlv("value").required().bytes()})
	}
	if config("version").oneOf("V1", "V2") == "V2" {
		return headerV2(passes, added)
	}
	for _, name := range []string{"pass_through_tlvs", "added_tlvs"} {
		if config(name).present() {
			config(name).fail("version V1 has no TLVs")
		}
	}
	return func(dst []byte, downstream *pipeline.ConnectionInfo) []byte {
		return proxyprotocol.AppendV1(dst, downstream.RemoteAddress(), downstream.LocalAddress())
	}
}

func headerV2(passes passThrough, added []proxyprotocol.TLV) preface {
	return func(dst []byte, downstream *pipeline.ConnectionInfo) []byte {
		tlvs := slices.Clone(added)
		if received, ok := proxyprotocol.Received(downstream); ok {
			for tlv := range received.TLVs.All() {
				added := slices.ContainsFunc(added, func(a proxyprotocol.TLV) bool { return a.Type == tlv.Type })
				if passes.includes(tlv.Type) && !added {
					tlvs = append(tlvs, tlv)
				}
			}
		}
		source, destination := downstream.RemoteAddress(), downstream.LocalAddress()
		header, err := proxyprotocol.AppendV2(dst, source, destination, tlvs...)
		if err != nil { // too many TLVs; the addresses always fit
			header, _ = proxyprotocol.AppendV2(dst, source, destination)
		}
		return header
	}
}

// passThrough is envoy.config.core.v3.ProxyProtocolPassThroughTLVs.
type passThrough struct {
	all   bool
	types []byte
}

func (p passThrough) includes(tlv byte) bool { return p.all || slices.Contains(p.types, tlv) }

func readPassThroughTLVs(n node) passThrough {
	if !n.present() {
		return passThrough{}
	}
	field := n.object("match_type", "tlv_type")
	// The first value of an enum is the default.
	p := passThrough{all: field("match_type").oneOf("INCLUDE_ALL", "INCLUDE") != "INCLUDE"}
	for _, n := range field("tlv_type").list() {
		p.types = append(p.types, n.required().byte())
	}
	return p
}
