package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// load is what is put on a server.
type load struct {
	url         string
	token       string
	rate        int // requests a second
	duration    time.Duration
	connections int
	whatIf      float64 // share of requests
	client      *http.Client
}

func (l *load) validate() error {
	u, err := url.Parse(l.url)
	switch {
	case err != nil || u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("--url: expected http://host:port, found %q", l.url)
	case l.rate < 1 || l.rate > 100_000:
		return fmt.Errorf("--rate: expected 1 to 100000, found %d", l.rate)
	case l.duration <= 0 || l.duration > 10*time.Minute:
		return fmt.Errorf("--duration: expected up to 10m, found %s", l.duration)
	case l.connections < 1 || l.connections > 1000:
		return fmt.Errorf("--connections: expected 1 to 1000, found %d", l.connections)
	case !(l.whatIf >= 0 && l.whatIf <= 1):
		return fmt.Errorf("--what-if: expected a share from 0 to 1, found %v", l.whatIf)
	}
	l.url = strings.TrimSuffix(l.url, "/")
	return nil
}

// result is what a load showed. Latencies are in milliseconds.
type result struct {
	Requests   int       `json:"requests"`
	Failed     int       `json:"failed"`
	FirstError string    `json:"first_error,omitempty"`
	Seconds    float64   `json:"seconds"`
	PerSecond  float64   `json:"per_second"`
	Due        latencies `json:"latency_from_due_ms"`
	Sent       latencies `json:"latency_from_sending_ms"` // what a closed loop would show
	CPUMicros  float64   `json:"server_cpu_us_per_request"`
}

type latencies struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// measured is one request.
type measured struct {
	due, sent time.Duration // from these to the answer
	err       error
}

// run puts the load on, and measures.
func (l *load) run(ctx context.Context) (*result, error) {
	l.client = &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: l.connections, MaxIdleConnsPerHost: l.connections, MaxConnsPerHost: l.connections, DisableCompression: true},
	}
	defer l.client.CloseIdleConnections()
	products, err := l.products(ctx)
	if err != nil {
		return nil, err
	}
	before, err := l.serverCPU(ctx)
	if err != nil {
		return nil, err
	}
	n := int(float64(l.rate) * l.duration.Seconds())
	all := make([]measured, n)
	next := make(chan int, n)
	began := time.Now()
	due := func(i int) time.Time {
		return began.Add(time.Duration(float64(i) / float64(l.rate) * float64(time.Second)))
	}
	var senders sync.WaitGroup
	for range l.connections {
		senders.Go(func() {
			for i := range next {
				sent := time.Now()
				err := l.ask(ctx, i, products)
				now := time.Now()
				all[i] = measured{now.Sub(due(i)), now.Sub(sent), err}
			}
		})
	}
	for i := range n {
		if wait := time.Until(due(i)); wait > 0 {
			time.Sleep(wait)
		}
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	senders.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	after, err := l.serverCPU(ctx)
	if err != nil {
		return nil, err
	}
	r := summarise(all)
	r.Seconds, r.PerSecond = seconds, float64(n)/seconds
	r.CPUMicros = (after - before) * 1e6 / float64(n)
	return r, nil
}

func summarise(all []measured) *result {
	r := &result{Requests: len(all)}
	var due, sent []time.Duration
	for _, m := range all {
		if m.err != nil {
			if r.Failed == 0 {
				r.FirstError = m.err.Error()
			}
			r.Failed++
		}
		due, sent = append(due, m.due), append(sent, m.sent)
	}
	r.Due, r.Sent = quantiles(due), quantiles(sent)
	return r
}

// quantiles are order statistics: the smallest value that at least the share of
// all do not exceed.
func quantiles(of []time.Duration) latencies {
	if len(of) == 0 {
		return latencies{}
	}
	slices.Sort(of)
	at := func(perMille int) float64 {
		i := (len(of)*perMille + 999) / 1000
		return float64(of[max(i, 1)-1].Nanoseconds()) / 1e6
	}
	return latencies{at(500), at(990), at(999), at(1000)}
}

// ask sends the request of a number, and reads the answer whole.
func (l *load) ask(ctx context.Context, i int, products []string) error {
	product := products[i*7919%len(products)] // a prime: neighbours in time are none in the list
	if float64(i%1000) < l.whatIf*1000 {
		body, err := json.Marshal(map[string]string{"product": product, "price": strconv.Itoa(1 + i%9)})
		if err != nil {
			return err
		}
		_, err = l.do(ctx, http.MethodPost, "/v1/what-if", body)
		return err
	}
	_, err := l.do(ctx, http.MethodGet, "/v1/predictions/product/"+url.PathEscape(product), nil)
	return err
}

func (l *load) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, l.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if l.token != "" {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(l.token))
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w, err := l.client.Do(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(w.Body)
	if err = errors.Join(err, w.Body.Close()); err != nil {
		return nil, err
	}
	if w.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: status %d: %.200s", method, path, w.StatusCode, answer)
	}
	return answer, nil
}

// products returns all products that were sold, so that each has a price.
func (l *load) products(ctx context.Context) ([]string, error) {
	var out []string
	for offset := 0; ; offset += 100 {
		body, err := l.do(ctx, http.MethodGet, "/v1/predictions?target=units&limit=100&offset="+strconv.Itoa(offset), nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Total       int
			Predictions []struct{ Series, Fallback string }
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		for _, p := range page.Predictions {
			if p.Fallback != "no_history" {
				out = append(out, p.Series)
			}
		}
		if offset+100 >= page.Total {
			break
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the server forecasts no product that was sold")
	}
	return out, nil
}

// serverCPU returns the seconds that the server has computed, by its metrics.
func (l *load) serverCPU(ctx context.Context) (float64, error) {
	const name = "process_cpu_seconds_total "
	body, err := l.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the server's metrics have no %s", name)
}
