package poller

import "net/netip"

// ListenConfig says how [ListenTCP] makes a listening socket. The zero value is
// a queue of the system's maximum and no sharing of the address.
type ListenConfig struct {
	Backlog   int  // 0 and negative: the system's maximum (net.core.somaxconn)
	ReusePort bool // several sockets may listen on the address (SO_REUSEPORT)
}

// ListenTCP makes a listening socket on addr: socket, SO_REUSEADDR, bind and
// listen. Nothing stays open after an error.
func ListenTCP(k interface {
	Sockets
	Binder
}, addr netip.AddrPort, cfg ListenConfig) (FD, error) {
	fd, err := k.Socket(DomainOf(addr.Addr()))
	if err != nil {
		return -1, err
	}
	if err := configure(k, fd, addr, cfg); err != nil {
		k.Close(fd)
		return -1, err
	}
	return fd, nil
}

func configure(k interface {
	Sockets
	Binder
}, fd FD, addr netip.AddrPort, cfg ListenConfig) error {
	if err := k.SetSockOpt(fd, SOReuseAddr, 1); err != nil {
		return err
	}
	if cfg.ReusePort {
		if err := k.SetSockOpt(fd, SOReusePort, 1); err != nil {
			return err
		}
	}
	if err := k.Bind(fd, addr); err != nil {
		return err
	}
	backlog := cfg.Backlog
	if backlog <= 0 {
		backlog = -1
	}
	return k.Listen(fd, backlog)
}
