package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// serverName is the one in the ClientHellos.
const serverName = "edge.test"

// nginxStream is where Debian has the module.
const nginxStream = "/usr/lib/nginx/modules/ngx_stream_module.so"

// maxClients is what a proxy can have with 20,000 descriptors, two for each.
const maxClients = 9_900

// subject is a server to measure.
type subject struct {
	name    string
	program string // in tools
	command func(b *bench, port, upstream int) ([]string, error)
}

// args makes a command of the program with flags.
func args(program string, flags func(port, upstream int) []string) func(*bench, int, int) ([]string, error) {
	return func(b *bench, port, upstream int) ([]string, error) {
		return append([]string{b.paths[program]}, flags(port, upstream)...), nil
	}
}

// present leaves out what could not be built or found.
func (b *bench) present(all ...*subject) []*subject {
	return slices.DeleteFunc(all, func(s *subject) bool { return b.paths[s.program] == "" })
}

var (
	cDrain = &subject{"C, drain", "accept", args("accept", func(port, _ int) []string {
		return []string{"drain", strconv.Itoa(port)}
	})}
	cRead = &subject{"C, read at once", "accept", args("accept", func(port, _ int) []string {
		return []string{"read", strconv.Itoa(port)}
	})}
	cProxy = &subject{"C", "proxy", args("proxy", func(port, upstream int) []string {
		return []string{strconv.Itoa(port), serverName, strconv.Itoa(upstream)}
	})}
	cEcho = &subject{"C, echo", "echo", args("echo", func(port, _ int) []string {
		return []string{strconv.Itoa(port)}
	})}
	edgewiseClose = &subject{"edgewise", "edgewise", args("edgewise", func(port, _ int) []string {
		return []string{"-listen", address(port)}
	})}
	edgewiseConnect = &subject{"edgewise, network filter", "edgewise", args("edgewise", func(port, _ int) []string {
		return []string{"-connect", "-listen", address(port)}
	})}
	edgewiseRoute = &subject{"edgewise", "edgeproxy", edgeproxyCommand}
	netClose      = &subject{"Go net", "gonet", args("gonet", func(port, _ int) []string {
		return []string{"-listen", address(port)}
	})}
	netCopy = &subject{"Go net, 64 KiB", "gonet", args("gonet", func(port, upstream int) []string {
		return []string{"-listen", address(port), "-upstream", address(upstream), "-name", serverName}
	})}
	netSplice = &subject{"Go net, io.Copy", "gonet", args("gonet", func(port, upstream int) []string {
		return []string{"-listen", address(port), "-upstream", address(upstream), "-name", serverName, "-splice"}
	})}
	gnetClose = &subject{"gnet", "gnet", args("gnet", func(port, _ int) []string {
		return []string{"-listen", address(port)}
	})}
	netpollClose = &subject{"netpoll", "netpoll", args("netpoll", func(port, _ int) []string {
		return []string{"-listen", address(port)}
	})}
	haproxy = &subject{"HAProxy", "haproxy", haproxyCommand}
	nginx   = &subject{"nginx", "nginx", nginxCommand}
)

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// config writes a file for a server on port.
func (b *bench) config(name string, port int, text string) (string, error) {
	path := filepath.Join(b.dir, fmt.Sprintf("%s.%d", name, port))
	return path, os.WriteFile(path, []byte(text), 0o600)
}

func edgeproxyCommand(b *bench, port, upstream int) ([]string, error) {
	return b.edgeproxyConfig(port, upstream, fmt.Sprintf(`"listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config":
			{"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}],
		"filter_chains": [{"filter_chain_match": {"server_names": [%q]},`, serverName))
}

// edgeproxyConfig is a listener whose filter chain begins as chain says.
func (b *bench) edgeproxyConfig(port, upstream int, chain string) ([]string, error) {
	const socket = `{"socket_address": {"address": "127.0.0.1", "port_value": %d}}`
	file, err := b.config("edgeproxy.json", port, fmt.Sprintf(`{"static_resources": {
	"listeners": [{"name": "ingress", "address": `+socket+`,
		%s
			"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config":
				{"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "all", "cluster": "all"}}]}]}],
	"clusters": [{"name": "all", "type": "STATIC", "load_assignment": {"cluster_name": "all", "endpoints":
		[{"lb_endpoints": [{"endpoint": {"address": `+socket+`}}]}]}}]}}`, port, chain, upstream))
	return []string{b.paths["edgeproxy"], "-workers", "1", "-config", file}, err
}

func haproxyCommand(b *bench, port, upstream int) ([]string, error) {
	return b.haproxyConfig(port, upstream, "", "", `	tcp-request inspect-delay 15s
	tcp-request content accept if { req.ssl_hello_type 1 }
	use_backend all if { req.ssl_sni -m str `+serverName+" }")
}

// haproxyConfig adds lines to global, words to bind, and the choice of the backend.
func (b *bench) haproxyConfig(port, upstream int, global, bind, choice string) ([]string, error) {
	file, err := b.config("haproxy.cfg", port, fmt.Sprintf(`global
	nbthread 1
	maxconn %d
%sdefaults
	mode tcp
	timeout connect 5s
	timeout client 1h
	timeout server 1h
frontend ingress
	bind 127.0.0.1:%d backlog 4096%s
%s
backend all
	server echo 127.0.0.1:%d
`, maxClients, global, port, bind, choice, upstream))
	return []string{b.paths["haproxy"], "-db", "-f", file}, err
}

func nginxCommand(b *bench, port, upstream int) ([]string, error) {
	return b.nginxConfig(port, fmt.Sprintf(`		listen 127.0.0.1:%d backlog=4096;
		ssl_preread on;
		proxy_pass $route;
	}
	map $ssl_preread_server_name $route { %s all; }
	upstream all {
		server 127.0.0.1:%d;
`, port, serverName, upstream))
}

// nginxConfig has a server of these lines.
func (b *bench) nginxConfig(port int, server string) ([]string, error) {
	file, err := b.config("nginx.conf", port, fmt.Sprintf(`load_module %s;
daemon off;
master_process off;
worker_processes 1;
pid %s/nginx.%d.pid;
error_log stderr crit;
events { worker_connections 20000; }
stream {
	server {
%s	}
}
`, nginxStream, b.dir, port, server))
	return []string{b.paths["nginx"], "-c", file, "-e", "stderr"}, err
}
