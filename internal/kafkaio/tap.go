package kafkaio

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"

	"github.com/IBM/sarama"
)

// tap is a connection that keeps the answer that is read from it, as it was
// sent: sarama hands out no batch of an answer of which it cannot decode one.
type tap struct {
	net.Conn

	mu      sync.Mutex
	keeping bool
	kept    []byte
}

// Read implements net.Conn.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keeping {
		t.kept = append(t.kept, b[:n]...)
	}
	return n, err
}

// keep keeps what is read from now on.
func (t *tap) keep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keeping, t.kept = true, t.kept[:0]
}

// take returns the body of the one answer that was read, and keeps no more.
// The error is errCut where the answer is not complete, and errTooLong where
// sarama did not read it since it is too long.
func (t *tap) take() (body []byte, err error) {
	const header = 8 // length, correlation ID
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept
	t.keeping, t.kept = false, nil
	if len(kept) < header {
		return nil, errCut
	}
	switch length := int64(binary.BigEndian.Uint32(kept)); {
	case length > int64(sarama.MaxResponseSize):
		return nil, errTooLong
	case int64(len(kept)) != 4+length:
		return nil, errCut
	}
	return kept[header:], nil
}

// tapped is a configuration whose next connection can be tapped: with TLS, what
// it keeps is decrypted.
func tapped(cfg *sarama.Config, raw *tap) *sarama.Config {
	c := *cfg
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, &tapDialer{cfg, raw}
	c.Net.TLS.Enable = false
	return &c
}

type tapDialer struct {
	cfg *sarama.Config
	raw *tap
}

// Dial implements proxy.Dialer.
func (d *tapDialer) Dial(network, addr string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: d.cfg.Net.DialTimeout, KeepAlive: d.cfg.Net.KeepAlive}
	var err error
	if d.cfg.Net.TLS.Enable {
		d.raw.Conn, err = tls.DialWithDialer(dialer, network, addr, d.cfg.Net.TLS.Config)
	} else {
		d.raw.Conn, err = dialer.Dial(network, addr)
	}
	if err != nil {
		return nil, err
	}
	return d.raw, nil
}
