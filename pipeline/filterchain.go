package pipeline

// filterChain holds the network filters of a connection (Envoy
// filter_manager_impl.cc).
type filterChain struct {
	connection *Connection
	read       []readFilter
	write      []WriteFilter // in order of addition; run from the last
	readStore  [2]readFilter // spares most connections an allocation
}

type readFilter struct {
	filter      ReadFilter
	initialized bool // OnNewConnection was called
}

// ReadFilterCallbacks is what a read filter may do to its chain.
type ReadFilterCallbacks struct {
	connection *Connection
	position   int
}

// Connection is the connection of the filter.
func (cb ReadFilterCallbacks) Connection() *Connection { return cb.connection }

// ContinueReading goes on with the filter behind this one, after StopIteration: it
// hears of the connection if it has not, and gets the read buffer if there is
// anything in it.
func (cb ReadFilterCallbacks) ContinueReading() {
	c := cb.connection
	c.chain.run(cb.position+1, c.readEndGiven)
}

// AddReadFilter appends f to the read filters. Filters are added before the
// connection is used.
func (c *Connection) AddReadFilter(f ReadFilter) {
	if c.chain.read == nil {
		c.chain.read = c.chain.readStore[:0]
	}
	c.chain.read = append(c.chain.read, readFilter{filter: f})
}

// AddWriteFilter puts f before the write filters that are there.
func (c *Connection) AddWriteFilter(f WriteFilter) { c.chain.write = append(c.chain.write, f) }

// onNewConnection tells the filters in order, until one stops.
func (m *filterChain) onNewConnection() {
	for i := range m.read {
		if m.connection.state != Open || !m.initialize(i) {
			return
		}
	}
}

// onData gives the read buffer to the filters, from the first.
func (m *filterChain) onData(endStream bool) { m.run(0, endStream) }

func (m *filterChain) run(from int, endStream bool) {
	c := m.connection
	for i := from; i < len(m.read); i++ {
		if c.state != Open || !m.initialize(i) || c.state != Open {
			return
		}
		if c.in.Len() == 0 && !endStream {
			continue
		}
		if m.read[i].filter.OnData(&c.in, endStream) == StopIteration {
			return
		}
	}
}

// initialize calls OnNewConnection if it was not called, and says whether the
// chain goes on.
func (m *filterChain) initialize(i int) bool {
	if m.read[i].initialized {
		return true
	}
	m.read[i].initialized = true
	return m.read[i].filter.OnNewConnection(ReadFilterCallbacks{m.connection, i}) == Continue
}

// onWrite passes data through the write filters, the last first.
func (m *filterChain) onWrite(data *Buffer, endStream bool) FilterStatus {
	for i := len(m.write) - 1; i >= 0; i-- {
		if m.write[i].OnWrite(data, endStream) == StopIteration || m.connection.state != Open {
			return StopIteration
		}
	}
	return Continue
}
