module edgewise.test/examples/thirdparty

go 1.26.0

require edgewise.test v0.0.0

require (
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0 // indirect
)

replace edgewise.test => ../..
