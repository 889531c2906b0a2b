module edgewise.test/examples/thirdparty/published

go 1.26.0

require (
	edgewise.test v0.0.0
	github.com/elazarl/goproxy v1.8.3
	github.com/hashicorp/yamux v0.1.1
	github.com/pires/go-proxyproto v0.9.2
	github.com/soheilhy/cmux v0.1.4
)

require (
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/grpc v1.85.0 // indirect
	google.golang.org/grpc/examples v0.0.0-20260825154716-030ee8becb20 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace edgewise.test => ../../..
