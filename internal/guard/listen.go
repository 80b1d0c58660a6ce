package guard

import (
	"fmt"
	"net"
	"net/netip"
)

// CheckListen refuses an address that others than this machine can reach, unless
// a token is needed or insecure is set.
func CheckListen(address string, tokens Tokens, insecure bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the address %q: expected host:port, such as 127.0.0.1:8080: %w", address, err)
	}
	if isLoopback(host) || len(tokens) > 0 || insecure {
		return nil
	}
	return fmt.Errorf("the address %q can be reached from other machines, and no token is needed: give a file of tokens, or listen on 127.0.0.1", address)
}

// isLoopback reports whether a host is this machine's own, which nobody else
// reaches.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
