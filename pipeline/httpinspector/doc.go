// Package httpinspector finds out whether a client speaks HTTP, and which: the
// listener filter of Envoy's name (http_inspector). What it finds takes the place
// of the requested application protocols: "http/1.0", "http/1.1" or "h2c".
// [Recognizer] is its pure half, from bytes to verdict.
//
// The verdict is that of Envoy's default parser. It differs where Envoy's result
// depends on an accident:
//
//   - The number of bytes that is asked for grows with the bytes that were seen,
//     not with the wish before. Behind a filter with a bigger buffer Envoy's wish
//     brings no event, and the socket waits for its timeout (the same as envoy PR
//     40544 for tls_inspector).
//   - A wake-up without new bytes changes nothing. To Envoy's parser it is the end
//     of the stream, so that half a request line is no HTTP.
//   - The request target is any run of bytes but controls and spaces. Envoy's parser
//     knows a little of URLs, such as that one does not begin with a digit.
package httpinspector
