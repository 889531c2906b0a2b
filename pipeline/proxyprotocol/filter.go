package proxyprotocol

import (
	"net/netip"

	"edgewise.test/pipeline"
)

// initialWish is Envoy's: the fixed part of version 2 and AF_UNIX addresses.
const initialWish = fixedV2 + 216

// filter reads the header of one socket.
type filter struct {
	filters *Filters
	socket  *pipeline.ConnectionSocket
	wish    int // grows with the header
}

func (f *filter) OnAccept(cb pipeline.ListenerFilterCallbacks) pipeline.FilterStatus {
	f.socket = cb.Socket()
	f.wish = initialWish
	return pipeline.StopIteration
}

func (f *filter) MaxReadBytes() int { return f.wish }

func (f *filter) OnClose() {}

func (f *filter) OnData(buffer *pipeline.ListenerFilterBuffer) pipeline.FilterStatus {
	stats, b := &f.filters.stats, buffer.Bytes()
	if f.filters.config.AllowRequestsWithoutProxyProtocol && !f.filters.mayHaveHeader(b) {
		stats.NotFoundAllowed++
		return pipeline.Continue
	}
	header, status := Parse(b)
	if header.Version != 0 && !f.filters.allows(header.Version) {
		stats.of(header.Version).Found++
		stats.of(header.Version).Disallowed++
		f.socket.Close()
		return pipeline.StopIteration
	}
	switch status {
	case NeedMore:
		if len(b) >= f.wish { // of version 2: the others end before initialWish
			f.wish = min(2*len(b), header.Len)
		}
		return pipeline.StopIteration
	case NotFound:
		stats.NotFoundDisallowed++
		return f.refuse()
	case Invalid:
		stats.of(header.Version).Error++
		return f.refuse()
	}
	kept, values := f.filters.keep(header)
	buffer.Drain(header.Len) // header.TLVs is lost now
	stats.of(header.Version).Found++
	f.restore(kept, values)
	return pipeline.Continue
}

func (f *filter) refuse() pipeline.FilterStatus {
	f.filters.stats.CxProxyProtoError++
	f.socket.Close()
	return pipeline.StopIteration
}

// restore gives the connection what the header says.
func (f *filter) restore(h Header, v values) {
	info := f.socket.Info()
	info.SetFilterState(filterStateName, h)
	if len(v) > 0 {
		info.SetFilterState(valuesName, v)
	}
	if h.Local {
		return
	}
	if local := unmap(h.Destination); local != info.LocalAddress() {
		info.RestoreLocalAddress(local)
	}
	info.SetRemoteAddress(unmap(h.Source))
}

// unmap gives an IPv4 address its usual form.
func unmap(addr netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// Names of filter state, as in Envoy.
const (
	filterStateName = "envoy.network.proxy_protocol_options"
	valuesName      = "envoy.network.proxy_protocol.tlv"
)

// Received returns the header that a connection came with. Of its TLVs only those
// are left that the configuration passes through.
func Received(info *pipeline.ConnectionInfo) (h Header, ok bool) {
	h, ok = info.FilterState(filterStateName).(Header)
	return h, ok
}

// Value returns the TLV for which a rule has that key; the last, if there are
// several. Its bytes are the proxy's choice: unlike Envoy's dynamic metadata it may
// not be UTF-8.
func Value(info *pipeline.ConnectionInfo, key string) (value string, ok bool) {
	list, _ := info.FilterState(valuesName).(values)
	for _, v := range list {
		if v.key == key {
			value, ok = v.value, true
		}
	}
	return value, ok
}

// values is what the rules have found, in the order of the TLVs.
type values []struct{ key, value string }

// keep copies what is to outlive the bytes.
func (f *Filters) keep(h Header) (kept Header, found values) {
	kept = h
	kept.TLVs = nil
	for t := range h.TLVs.All() {
		if f.passesThrough(t) {
			kept.TLVs = t.appendTo(kept.TLVs)
		}
		for _, rule := range f.config.Rules {
			if rule.TLVType == t.Type {
				found = append(found, struct{ key, value string }{rule.Key, string(t.Value)})
			}
		}
	}
	return kept, found
}
