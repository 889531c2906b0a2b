//go:build !linux

package main

// onLoopback needs real epoll.
func onLoopback(meter, *entry, uint64) attempt { return attempt{} }
