package pipeline

// filterChain holds the network filters of a connection (Envoy
// filter_manager_impl.cc).
type filterChain struct {
	read      []ReadFilter
	write     []WriteFilter // in order of addition; run from the last
	told      int           // how many of read, from the first, had OnNewConnection called
	readStore [2]ReadFilter // spares most connections an allocation
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
	c.runReadFilters(cb.position+1, c.readEndGiven)
}

// AddReadFilter appends f to the read filters. Filters are added before the
// connection is used.
func (c *Connection) AddReadFilter(f ReadFilter) {
	if c.chain.read == nil {
		c.chain.read = c.chain.readStore[:0]
	}
	c.chain.read = append(c.chain.read, f)
}

// AddWriteFilter puts f before the write filters that are there.
func (c *Connection) AddWriteFilter(f WriteFilter) { c.chain.write = append(c.chain.write, f) }

// onNewConnection tells the filters in order, until one stops.
func (c *Connection) onNewConnection() {
	for i := range c.chain.read {
		if c.state != Open || !c.tellNewConnection(i) {
			return
		}
	}
}

// runReadFilters gives the read buffer to the filters, from one of them on.
func (c *Connection) runReadFilters(from int, endStream bool) {
	for i := from; i < len(c.chain.read); i++ {
		if c.state != Open || !c.tellNewConnection(i) || c.state != Open {
			return
		}
		if c.in.Len() == 0 && !endStream {
			continue
		}
		if c.chain.read[i].OnData(&c.in, endStream) == StopIteration {
			return
		}
	}
}

// tellNewConnection calls OnNewConnection if it was not called, and says whether the
// chain goes on.
func (c *Connection) tellNewConnection(i int) bool {
	if i < c.chain.told {
		return true
	}
	c.chain.told = i + 1
	return c.chain.read[i].OnNewConnection(ReadFilterCallbacks{c, i}) == Continue
}

// runWriteFilters passes data through the write filters, the last first.
func (c *Connection) runWriteFilters(data *Buffer, endStream bool) FilterStatus {
	for i := len(c.chain.write) - 1; i >= 0; i-- {
		if c.chain.write[i].OnWrite(data, endStream) == StopIteration || c.state != Open {
			return StopIteration
		}
	}
	return Continue
}
