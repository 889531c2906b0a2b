module edgewise.test/examples/thirdparty

go 1.26.0

require (
	edgewise.test v0.0.0
	github.com/armon/go-socks5 v0.0.0-20160902184237-e75332964ef5
	github.com/elazarl/goproxy v1.9.2
	github.com/hashicorp/yamux v0.1.2
	github.com/inetaf/tcpproxy v0.0.0-20260515195445-c159a6051109
	github.com/pires/go-proxyproto v0.15.0
	github.com/soheilhy/cmux v0.1.5
	github.com/xtaci/smux v1.5.56
)

require (
	golang.org/x/text v0.43.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

require (
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0 // indirect
)

replace edgewise.test => ../..
