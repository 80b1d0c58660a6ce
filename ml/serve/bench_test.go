package serve

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkHandler is the cost of a request without the network, with the token,
// the limits, the metrics and the access log of the program.
func BenchmarkHandler(b *testing.B) {
	l := newLake(b)
	l.challenge(b, l.other, 0.3)
	h := l.server(b, func(o *Options) {
		o.AccessLog, o.Log = true, slog.New(slog.NewJSONHandler(io.Discard, nil))
		o.Tokens, o.Rate = tokens(b, secret), 1e9
	}).Handler()
	for _, c := range []struct{ name, method, target, body string }{
		{"series", http.MethodGet, "/v1/predictions/product/p1", ""},
		{"series_one_target", http.MethodGet, "/v1/predictions/product/p1?target=units&unit=u17", ""},
		{"page_of_20", http.MethodGet, "/v1/predictions?target=units", ""},
		{"what_if", http.MethodPost, "/v1/what-if", question},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequestWithContext(b.Context(), c.method, c.target, nil)
			r.Header.Set("Authorization", "Bearer "+secret)
			r.Header.Set("Content-Type", jsonType)
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(c.body))
				w := discard{header: http.Header{}}
				h.ServeHTTP(&w, r)
				if w.status != http.StatusOK {
					b.Fatalf("status %d", w.status)
				}
				b.SetBytes(w.bytes)
			}
		})
	}
}

// discard is a ResponseWriter that counts.
type discard struct {
	header http.Header
	status int
	bytes  int64
}

func (d *discard) Header() http.Header    { return d.header }
func (d *discard) WriteHeader(status int) { d.status = status }

func (d *discard) Write(p []byte) (int, error) {
	d.bytes += int64(len(p))
	return len(p), nil
}
