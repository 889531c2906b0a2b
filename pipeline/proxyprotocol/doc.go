// Package proxyprotocol reads and writes the PROXY protocol, versions 1 and 2
// (proxy-protocol.txt of HAProxy), with which a proxy tells who its client is. The
// listener filter is that of Envoy's name (proxy_protocol): it takes the header off
// the stream and gives its addresses to the connection. [Parse] is its pure half,
// from bytes to verdict; [AppendV1] and [AppendV2] write headers to upstreams.
//
// What is accepted is what Envoy accepts, with these differences:
//
//   - A stream that begins like no header is refused at the first byte that shows
//     it, as not_found_disallowed. Envoy waits for 16 bytes or a line end, so that a
//     shorter request waits for its timeout, and calls a short line a bad version 1.
//   - The fields of a version 1 line are separated by exactly one space, and numbers
//     are digits without a leading zero, as the specification has it: a line that two
//     parsers read differently is no base for an address. Envoy skips runs of spaces.
//   - The line has its CR LF within 108 bytes, however they come. Envoy applies the
//     limit to what it happens to have seen.
//   - The addresses change after the header is off the stream, not before: a drain
//     that fails leaves them alone.
//   - An IPv4 address in an IPv6 one is given to the connection as IPv4, as package
//     poller does it: an address has one form.
//   - The bytes asked for grow with the bytes that came, so that 16 bytes from a peer
//     do not take 64 KiB of memory.
//
// As in Envoy AF_UNIX and AF_UNSPEC are errors, which the specification leaves to
// the receiver, and a checksum (PP2_TYPE_CRC32C) is a TLV like any other.
package proxyprotocol
