package guard

import (
	"net"
	"net/netip"
	"strings"
)

// Hosts are the names by which clients may call a server, in the header Host. A
// web page whose author lets its name point to this machine (DNS rebinding) makes
// a browser here ask a server that listens on loopback, and reads the answer; the
// browser names the page's host, not ours.
type Hosts struct {
	any   bool
	names map[string]bool
}

// NewHosts allows addresses (such a page has a name), localhost, the host of the
// address that is listened on, and further names; "*" allows every name. On an
// address that others reach, with tokens, which no browser has, and without
// further names, every name is allowed.
func NewHosts(listen string, further []string, tokens Tokens) Hosts {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		host = listen
	}
	h := Hosts{names: map[string]bool{"localhost": true}, any: len(tokens) > 0 && !isLoopback(host) && len(further) == 0}
	for _, name := range append([]string{host}, further...) {
		h.any = h.any || name == "*"
		if name = canonical(name); name != "" {
			h.names[name] = true
		}
	}
	return h
}

// Allow reports whether a request may name the host, which may have a port. A
// client that names none (HTTP/1.0) is no browser.
func (h Hosts) Allow(field string) bool {
	if h.any || field == "" {
		return true
	}
	host := field
	if name, _, err := net.SplitHostPort(field); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = canonical(host)
	return h.names[host] || strings.HasSuffix(host, ".localhost")
}

// canonical is a name without case and without the dot that ends a full one.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
