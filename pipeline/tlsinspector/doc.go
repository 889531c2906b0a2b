// Package tlsinspector finds out what a TLS client asks for before anybody
// answers it: the listener filter of Envoy's name (tls_inspector). [Parser] is its
// pure half, from bytes to verdict.
//
// A Parser follows BoringSSL, which Envoy uses, in what is a ClientHello. It
// differs where Envoy's result depends on an accident, or costs more than it
// brings:
//
//   - A ClientHello that declares to be longer than the limit is [TooLarge] at its
//     message header. Envoy waits until the limit is reached, and takes one that
//     BoringSSL finds too long for plaintext.
//   - A stream begins with a handshake record, else it is [NotTLS]: warning alerts
//     and SSL 2.0 hellos are not skipped or translated.
//   - Versions, key shares and the rest of the extensions are not looked at: a hello
//     that no TLS stack could accept is still a hello, with a name to route by.
//   - The end of the message is enough. BoringSSL waits for the end of the record
//     that holds it, which may carry more.
package tlsinspector
