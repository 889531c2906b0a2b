package pipeline

import "net/netip"

// findings is what only some listener filters find. It is apart because a
// [ConnectionInfo] is copied, and most connections have none of it.
type findings struct {
	localRestored   bool
	remoteReplaced  bool
	directRemote    netip.AddrPort // if remoteReplaced
	ja3, ja4        string
	upstreamOptions UpstreamSocketOptions
	filterState     []filterState
}

type filterState struct {
	name  string
	value any
}

// UpstreamSocketOptions is how the socket of an upstream connection is made. The
// zero value asks for nothing.
type UpstreamSocketOptions struct {
	// SourceAddress is the address that the upstream connection comes from; the
	// kernel picks the port. The zero Addr leaves the address to the kernel too.
	SourceAddress netip.Addr
	// Mark is the mark of its packets (SO_MARK, socket(7)); 0 is none.
	Mark uint32
}

// RestoreLocalAddress makes addr the local address: where the client believes to
// be connected to, as a listener filter has found out.
func (i *ConnectionInfo) RestoreLocalAddress(addr netip.AddrPort) {
	i.local = addr
	i.find().localRestored = true
}

// LocalAddressRestored says whether the local address is not the one that the
// kernel accepted on.
func (i *ConnectionInfo) LocalAddressRestored() bool {
	return i.findings != nil && i.findings.localRestored
}

// SetRemoteAddress makes addr the remote address: who is behind the proxy that
// has connected.
func (i *ConnectionInfo) SetRemoteAddress(addr netip.AddrPort) {
	if f := i.find(); !f.remoteReplaced {
		f.remoteReplaced, f.directRemote = true, i.remote
	}
	i.remote = addr
}

// DirectRemoteAddress is who has connected, whatever a listener filter has said
// about the remote address.
func (i *ConnectionInfo) DirectRemoteAddress() netip.AddrPort {
	if i.findings != nil && i.findings.remoteReplaced {
		return i.findings.directRemote
	}
	return i.remote
}

// JA3 is the JA3 fingerprint of the TLS client. Empty means that nobody has looked.
func (i *ConnectionInfo) JA3() string {
	if i.findings == nil {
		return ""
	}
	return i.findings.ja3
}

// JA4 is the JA4 fingerprint of the TLS client. Empty means that nobody has looked.
func (i *ConnectionInfo) JA4() string {
	if i.findings == nil {
		return ""
	}
	return i.findings.ja4
}

// SetJA3 sets what a listener filter has found.
func (i *ConnectionInfo) SetJA3(fingerprint string) { i.find().ja3 = fingerprint }

// SetJA4 sets what a listener filter has found.
func (i *ConnectionInfo) SetJA4(fingerprint string) { i.find().ja4 = fingerprint }

// UpstreamSocketOptions is what the upstream connection on behalf of this one has
// to be made with.
func (i *ConnectionInfo) UpstreamSocketOptions() UpstreamSocketOptions {
	if i.findings == nil {
		return UpstreamSocketOptions{}
	}
	return i.findings.upstreamOptions
}

// SetUpstreamSocketOptions sets them for whoever makes the upstream connection.
func (i *ConnectionInfo) SetUpstreamSocketOptions(o UpstreamSocketOptions) {
	i.find().upstreamOptions = o
}

// FilterState is what a filter has left under name for those behind it, nil if
// nothing (Envoy StreamInfo::FilterState).
func (i *ConnectionInfo) FilterState(name string) any {
	if i.findings == nil {
		return nil
	}
	for _, s := range i.findings.filterState {
		if s.name == name {
			return s.value
		}
	}
	return nil
}

// SetFilterState leaves value under name, in place of what was there.
func (i *ConnectionInfo) SetFilterState(name string, value any) {
	f := i.find()
	for n := range f.filterState {
		if f.filterState[n].name == name {
			f.filterState[n].value = value
			return
		}
	}
	f.filterState = append(f.filterState, filterState{name, value})
}

// find returns the findings, to be written.
func (i *ConnectionInfo) find() *findings {
	if i.findings == nil {
		i.findings = &findings{}
	}
	return i.findings
}
