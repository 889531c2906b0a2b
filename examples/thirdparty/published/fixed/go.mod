module edgewise.test/examples/thirdparty/published/fixed

go 1.26.0

require (
	edgewise.test v0.0.0
	edgewise.test/examples/thirdparty/published v0.0.0
)

require (
	github.com/elazarl/goproxy v1.9.2 // indirect
	github.com/hashicorp/yamux v0.1.2 // indirect
	github.com/pires/go-proxyproto v0.15.0 // indirect
	github.com/soheilhy/cmux v0.1.5 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace (
	edgewise.test => ../../../..
	edgewise.test/examples/thirdparty/published => ..
)
