package pipeline

// ListenerFilterMatcher says whether a listener filter is to be skipped (Envoy
// ListenerFilterChainMatchPredicate, filter_matcher.cc). It is asked once per
// socket, when the chain reaches the filter: filters in front may have changed
// the addresses.
type ListenerFilterMatcher func(info *ConnectionInfo) bool

// FilterDisabled returns a factory of the same filters, which skip the sockets for
// which matches says yes (Envoy filter_disabled).
func FilterDisabled(matches ListenerFilterMatcher, factory ListenerFilterFactory) ListenerFilterFactory {
	return func() ListenerFilter { return &disabledFilter{factory(), matches} }
}

type disabledFilter struct {
	ListenerFilter
	matches ListenerFilterMatcher
}

func (f *disabledFilter) OnAccept(cb ListenerFilterCallbacks) FilterStatus {
	if f.matches(cb.Socket().Info()) {
		return Continue
	}
	return f.ListenerFilter.OnAccept(cb)
}

// MatchAny matches every socket.
func MatchAny() ListenerFilterMatcher {
	return func(*ConnectionInfo) bool { return true }
}

// MatchNot matches what m does not match.
func MatchNot(m ListenerFilterMatcher) ListenerFilterMatcher {
	return func(info *ConnectionInfo) bool { return !m(info) }
}

// MatchAnd matches what all of ms match; with none of them, everything.
func MatchAnd(ms ...ListenerFilterMatcher) ListenerFilterMatcher {
	return func(info *ConnectionInfo) bool {
		for _, m := range ms {
			if !m(info) {
				return false
			}
		}
		return true
	}
}

// MatchOr matches what one of ms matches; with none of them, nothing.
func MatchOr(ms ...ListenerFilterMatcher) ListenerFilterMatcher {
	return func(info *ConnectionInfo) bool {
		for _, m := range ms {
			if m(info) {
				return true
			}
		}
		return false
	}
}

// MatchDestinationPort matches a local address whose port is at least start and
// below end, so 1 and 65536 are all ports. An unknown address matches, as one that
// is not IP does in Envoy.
func MatchDestinationPort(start, end int) ListenerFilterMatcher {
	return func(info *ConnectionInfo) bool {
		local := info.LocalAddress()
		port := int(local.Port())
		return !local.IsValid() || start <= port && port < end
	}
}
