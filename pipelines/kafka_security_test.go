//go:build integration

package pipelines

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// testSecurity reads over every kind of connection, and with every mistake in
// its settings.
func testSecurity(t *testing.T, k *realKafka, j kafkaJob) {
	j.make(t, 4, nil)
	j.deliver(t, producer.SimulateOptions{Seed: 1, Density: 50, Count: 500}, 0)
	want := j.bronze(t)
	n := k.nodes[0]
	secret := func(text string) string {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	right, wrong := secret(kafkaPassword), secret("wrong")
	ca, other := k.ca.file, newAuthority(t, "other").file
	at := func(port int) []string { return []string{address(port)} }
	for name, c := range map[string]struct {
		cluster kafkaio.Cluster
		says    []string // none: it works
	}{
		"TLS":                    {kafkaio.Cluster{Brokers: at(n.tls), TLS: true, CAFile: ca}, nil},
		"PLAIN":                  {kafkaio.Cluster{Brokers: at(n.sasl), TLS: true, CAFile: ca, SASL: "PLAIN", User: kafkaUser, PasswordFile: right}, nil},
		"SCRAM-SHA-256":          {kafkaio.Cluster{Brokers: at(n.sasl), TLS: true, CAFile: ca, SASL: "SCRAM-SHA-256", User: kafkaUser, PasswordFile: right}, nil},
		"SCRAM-SHA-512":          {kafkaio.Cluster{Brokers: at(n.sasl), TLS: true, CAFile: ca, SASL: "SCRAM-SHA-512", User: kafkaUser, PasswordFile: right}, nil},
		"PLAIN, wrong":           {kafkaio.Cluster{Brokers: at(n.sasl), TLS: true, CAFile: ca, SASL: "PLAIN", User: kafkaUser, PasswordFile: wrong}, []string{"refuse user", "password file"}},
		"SCRAM-SHA-256, wrong":   {kafkaio.Cluster{Brokers: at(n.sasl), TLS: true, CAFile: ca, SASL: "SCRAM-SHA-256", User: kafkaUser, PasswordFile: wrong}, []string{"refuse user", "password file"}},
		"SCRAM-SHA-512, wrong":   {kafkaio.Cluster{Brokers: at(n.sasl), TLS: true, CAFile: ca, SASL: "SCRAM-SHA-512", User: "nobody", PasswordFile: right}, []string{"refuse user", "password file"}},
		"no SASL":                {kafkaio.Cluster{Brokers: at(n.sasl), TLS: true, CAFile: ca}, []string{"SASL"}},
		"SASL where none is":     {kafkaio.Cluster{Brokers: at(n.tls), TLS: true, CAFile: ca, SASL: "PLAIN", User: kafkaUser, PasswordFile: right}, []string{"SASL"}},
		"another authority":      {kafkaio.Cluster{Brokers: at(n.tls), TLS: true, CAFile: other}, []string{"ca_file"}},
		"the system's authority": {kafkaio.Cluster{Brokers: at(n.tls), TLS: true}, []string{"ca_file"}},
		"another host name":      {kafkaio.Cluster{Brokers: []string{"localhost" + address(n.tls)[len("127.0.0.1"):]}, TLS: true, CAFile: ca}, []string{"localhost"}},
		"plain client, TLS port": {kafkaio.Cluster{Brokers: at(n.tls)}, []string{"TLS"}},
		"TLS client, plain port": {kafkaio.Cluster{Brokers: at(n.plain), TLS: true, CAFile: ca}, []string{"TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			j, dir := j, t.TempDir()
			j.cluster = c.cluster
			if c.says == nil {
				diff(t, "bronze", want, j.bounded(t, dir).bronze)
				return
			}
			began := time.Now()
			j.start(t, dir, "--bounded").fails(t, c.says...)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s to say so", took)
			}
		})
	}
}
