package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const secret = "correct-horse-battery-staple"

func TestReadTokens(t *testing.T) {
	for text, want := range map[string]string{
		"": "found none", "# only a comment\n\n": "found none", "short": "line 1", secret + "\nshort\n": "line 2", "with a blank in it, though long": "line 1",
		"non-ascii-zeichen-über-16": "line 1", secret: "", "  " + secret + "\r\n\n": "",
	} {
		file := filepath.Join(t.TempDir(), "tokens")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadTokens(file)
		if want == "" && (err != nil || !got.Admit("Bearer "+secret)) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && text != "" && strings.Contains(err.Error(), "short") {
			t.Errorf("the error tells the token: %v", err)
		}
	}
	if _, err := ReadTokens(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestCheckListen(t *testing.T) {
	some := Tokens{{}}
	for _, c := range []struct {
		address  string
		tokens   Tokens
		insecure bool
		want     string
	}{
		{"127.0.0.1:8080", nil, false, ""},
		{"127.8.8.8:0", nil, false, ""},
		{"[::1]:8080", nil, false, ""},
		{"localhost:8080", nil, false, ""},
		{":8080", nil, false, "other machines"},
		{"0.0.0.0:8080", nil, false, "other machines"},
		{"[::]:8080", nil, false, "other machines"},
		{"192.168.1.2:8080", nil, false, "other machines"},
		{"example.com:8080", nil, false, "other machines"},
		{":8080", some, false, ""},
		{":8080", nil, true, ""},
		{"8080", nil, true, "host:port"},
		{"", some, false, "host:port"},
	} {
		err := CheckListen(c.address, c.tokens, c.insecure)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q with %d tokens, insecure %v: %v", c.address, len(c.tokens), c.insecure, err)
		}
	}
}

// A secret that every user of the machine can read or change is refused, with
// what to do.
func TestReadSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode := range os.FileMode(0o1000) {
		if mode&0o400 == 0 {
			continue // its owner cannot read it
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		data, err := ReadSecret(file)
		if mode&0o006 == 0 {
			if err != nil || string(data) != "s3cret" {
				t.Errorf("%04o: %q, %v", mode, data, err)
			}
			continue
		}
		if err == nil || data != nil || !strings.Contains(err.Error(), "chmod 600 "+file) || !strings.Contains(err.Error(), fmt.Sprintf("has mode %04o", mode)) {
			t.Errorf("%04o: %q, %v", mode, data, err)
		}
	}
	// Kubernetes mounts a link; the mode is its target's.
	link := filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.Chmod(file, 0o440), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecret(link); err != nil {
		t.Error(err)
	}
}

func TestHosts(t *testing.T) {
	some := Tokens{{}}
	for _, c := range []struct {
		listen  string
		further []string
		tokens  Tokens
		host    string
		want    bool
	}{
		{"127.0.0.1:8080", nil, nil, "127.0.0.1:8080", true},
		{"127.0.0.1:8080", nil, nil, "127.0.0.1", true},
		{"127.0.0.1:8080", nil, nil, "localhost:8080", true},
		{"127.0.0.1:8080", nil, nil, "LOCALHOST.", true},
		{"127.0.0.1:8080", nil, nil, "api.localhost", true},
		{"127.0.0.1:8080", nil, nil, "[::1]:8080", true},
		{"127.0.0.1:8080", nil, nil, "10.1.2.3:8080", true},
		{"127.0.0.1:8080", nil, nil, "", true},
		{"127.0.0.1:8080", nil, nil, "evil.example", false},
		{"127.0.0.1:8080", nil, nil, "evil.example:8080", false},
		{"127.0.0.1:8080", nil, nil, "localhost.evil.example", false},
		{"127.0.0.1:8080", nil, nil, "127.0.0.1.evil.example", false},
		{"127.0.0.1:8080", nil, nil, "evillocalhost", false},
		{"127.0.0.1:8080", nil, some, "evil.example", false},
		{"127.0.0.1:8080", []string{"Shop.Example"}, nil, "shop.example:443", true},
		{"127.0.0.1:8080", []string{"*"}, nil, "evil.example", true},
		{":8080", nil, nil, "shop.example", false},
		{":8080", nil, some, "shop.example", true},
		{":8080", []string{"shop.example"}, some, "evil.example", false},
		{"shop.example:8080", nil, nil, "shop.example:8080", true},
		{"shop.example:8080", nil, nil, "evil.example:8080", false},
	} {
		if got := NewHosts(c.listen, c.further, c.tokens).Allow(c.host); got != c.want {
			t.Errorf("%q on %s with %q and %d tokens: %v", c.host, c.listen, c.further, len(c.tokens), got)
		}
	}
}
