package tlsinspector

// cursor reads the presentation language of RFC 8446 3 from a slice. A read past
// the end returns zero or nil, empties the cursor and sets failed for good: a caller
// reads all the fields and asks once, and no length that a peer sends is an index.
type cursor struct {
	rest   []byte
	failed bool
}

// more reports whether bytes are left; never after a failure.
func (c *cursor) more() bool { return len(c.rest) > 0 }

func (c *cursor) take(n int) []byte {
	if n > len(c.rest) {
		c.rest, c.failed = nil, true
		return nil
	}
	taken := c.rest[:n:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) uint8() uint8 {
	b := c.take(1)
	if c.failed {
		return 0
	}
	return b[0]
}

func (c *cursor) uint16() uint16 {
	b := c.take(2)
	if c.failed {
		return 0
	}
	return uint16(b[0])<<8 | uint16(b[1])
}

// vector8 reads opaque<0..2^8-1>.
func (c *cursor) vector8() []byte { return c.take(int(c.uint8())) }

// vector16 reads opaque<0..2^16-1>.
func (c *cursor) vector16() []byte { return c.take(int(c.uint16())) }

// extension reads a type and opaque<0..2^16-1> (RFC 8446 4.2).
func (c *cursor) extension() (kind uint16, data []byte) {
	b := c.rest
	if len(b) >= 4 {
		if end := 4 + int(b[2])<<8 + int(b[3]); end <= len(b) {
			c.rest = b[end:]
			return uint16(b[0])<<8 | uint16(b[1]), b[4:end:end]
		}
	}
	c.rest, c.failed = nil, true
	return 0, nil
}
