package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/time/rate"

	"example.com/shopstream/internal/guard"
	"example.com/shopstream/ml/forecast"
)

// Options say what a server serves, and what it bears.
type Options struct {
	Source      Source
	Tokens      guard.Tokens // none: everyone is let in
	Hosts       guard.Hosts  // what clients may call the server
	OpenMetrics bool         // /metrics needs no token
	MaxInFlight int          // requests at once; more are turned away
	Rate        float64      // requests a second, on average; 0: no limit
	MaxBody     int64        // bytes of a request's body
	AccessLog   bool         // a record for each request
	Log         *slog.Logger // nil: slog.Default
	Timeouts    Timeouts
	Reload      time.Duration // how often the lake is looked at; 0: only when told to
}

// Timeouts bound how long a client can keep a connection busy. Zero is no bound,
// and of Drain no time at all.
type Timeouts struct {
	ReadHeader time.Duration
	Read       time.Duration // header and body
	Write      time.Duration // from the header's end to the answer's
	Idle       time.Duration // between requests
	Drain      time.Duration // at the end, for requests that have begun
}

// DefaultOptions are those of the program serve, without a source.
func DefaultOptions() Options {
	return Options{
		MaxInFlight: 256, MaxBody: 64 << 10, AccessLog: true, Reload: 30 * time.Second,
		Hosts:    guard.NewHosts("localhost:0", nil, nil),
		Timeouts: Timeouts{ReadHeader: 5 * time.Second, Read: 10 * time.Second, Write: 10 * time.Second, Idle: 60 * time.Second, Drain: 8 * time.Second},
	}
}

// Validate says what is wrong with the options; New does so too.
func (o Options) Validate() error {
	var errs []error
	if o.MaxInFlight < 1 {
		errs = append(errs, fmt.Errorf("at most %d requests at once: expected 1 or more", o.MaxInFlight))
	}
	if !(o.Rate >= 0) {
		errs = append(errs, fmt.Errorf("at most %v requests a second: expected 0 (no limit) or more", o.Rate))
	}
	if o.MaxBody < 1 {
		errs = append(errs, fmt.Errorf("bodies of at most %d bytes: expected 1 or more", o.MaxBody))
	}
	if o.Reload < 0 {
		errs = append(errs, fmt.Errorf("a look at the lake every %s: expected 0 (only when told to) or more", o.Reload))
	}
	return errors.Join(append(errs, o.Source.validate())...)
}

// Server answers from its snapshot. Its handler may be called before Serve, and
// without it.
type Server struct {
	options  Options
	log      *slog.Logger
	handler  http.Handler
	metrics  *instruments
	limiter  *rate.Limiter // nil: no limit
	inFlight atomic.Int64
	draining atomic.Bool

	snapshot  atomic.Pointer[snapshot]
	failure   atomic.Pointer[failure]
	reloading sync.Mutex
	unscored  *forecast.Sales // of the snapshot, until it has results; under reloading
}

// failure says why the newest look at the lake failed.
type failure struct {
	err   error
	since time.Time // the first of those that failed since one did not
}

// New makes a server, and its first snapshot: it reads the lake's sales, and
// forecasts. Its error says what is missing in the lake. Results of experiments
// are there once Watch, or Reload, has run.
func New(ctx context.Context, o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{options: o, log: o.Log}
	if s.log == nil {
		s.log = slog.Default()
	}
	if o.Rate > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(o.Rate), max(1, int(min(o.Rate, 1e6))))
	}
	s.metrics = newInstruments(s)
	if _, err := s.look(ctx); err != nil {
		return nil, err
	}
	s.handler = s.mux()
	return s, nil
}

// Handler returns the API.
func (s *Server) Handler() http.Handler { return s.handler }

// endpoint answers a request from a snapshot.
type endpoint func(*snapshot, *http.Request) (answer, *problem)

// route is a path and a method of the API.
type route struct {
	method, path string
	answer       endpoint
	handler      http.Handler // in place of answer
	open         bool         // needs no token
	free         bool         // is not counted against the limits: whoever watches the server is to get through
}

func (s *Server) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/v1/predictions", answer: getPredictions},
		{method: http.MethodGet, path: "/v1/predictions/{level}/{series}", answer: getSeries},
		{method: http.MethodPost, path: "/v1/what-if", answer: postWhatIf},
		{method: http.MethodGet, path: "/v1/models", answer: getModels},
		{method: http.MethodGet, path: "/v1/models/{version}", answer: getModel},
		{method: http.MethodGet, path: "/v1/experiment", answer: getExperiment},
		{method: http.MethodGet, path: "/v1/experiment/results", answer: getResults},
		{method: http.MethodGet, path: "/openapi.json", answer: fixed(jsonType, documentJSON), open: true},
		{method: http.MethodGet, path: "/openapi.yaml", answer: fixed("application/yaml", documentYAML), open: true},
		{method: http.MethodGet, path: "/docs", answer: getDocs, open: true},
		{method: http.MethodGet, path: "/healthz", answer: getHealth, open: true, free: true},
		{method: http.MethodGet, path: "/readyz", answer: s.getReady, open: true, free: true},
		{
			method: http.MethodGet, path: "/metrics", open: s.options.OpenMetrics, free: true,
			handler: promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}),
		},
	}
}

// mux is the API: its routes, and problems for all other requests.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.method+" "+r.path, s.guard(r))
		allow := r.method
		if allow == http.MethodGet {
			allow += ", " + http.MethodHead
		}
		mux.Handle(r.path, s.guard(route{path: r.path, open: true, answer: func(_ *snapshot, q *http.Request) (answer, *problem) {
			p := wrongMethod.with("expected " + allow + ", found " + clip(q.Method))
			p.header = append(p.header, "Allow", allow)
			return answer{}, p
		}}))
	}
	mux.Handle("/", s.guard(route{path: "other", open: true, answer: func(*snapshot, *http.Request) (answer, *problem) {
		return answer{}, unknownRoute.with("/docs lists what there is")
	}}))
	return mux
}

// guard is a route with what all routes share: limits, the token, the count of
// requests and the access log.
func (s *Server) guard(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		began := time.Now()
		flying := s.inFlight.Add(1)
		defer s.inFlight.Add(-1)
		var a answer
		p := s.admit(r, q, flying)
		switch {
		case p != nil:
			a = p.answer(q.URL.Path)
		case r.handler != nil:
			a.status = http.StatusOK
			r.handler.ServeHTTP(w, q)
		default:
			q.Body = http.MaxBytesReader(w, q.Body, s.options.MaxBody)
			a = s.call(r, q)
		}
		if p != nil || r.handler == nil {
			a.write(w, s.log)
		}
		took := time.Since(began)
		s.metrics.observe(r.path, a.status, a.arm, took)
		if s.options.AccessLog && !r.free {
			s.log.LogAttrs(q.Context(), slog.LevelInfo, "request",
				slog.String("method", clip(q.Method)), slog.String("route", r.path), slog.Int("status", a.status), slog.Int("bytes", len(a.body)),
				slog.Duration("took", took), slog.String("arm", a.arm), slog.String("remote", q.RemoteAddr))
		}
	})
}

// admit returns why a request is turned away, or nil.
func (s *Server) admit(r route, q *http.Request, flying int64) *problem {
	if !r.free && flying > int64(s.options.MaxInFlight) {
		s.metrics.rejected.WithLabelValues("busy").Inc()
		return busy.with(fmt.Sprintf("there are %d requests at once already: come again", s.options.MaxInFlight)).retryAfter(1)
	}
	if !s.options.Hosts.Allow(q.Host) {
		s.metrics.rejected.WithLabelValues("host").Inc()
		return wrongHost.with("the header Host names " + strconv.Quote(clip(q.Host)) + ": expected an address, localhost, or a name that the server was told with --allow-host")
	}
	if !r.open && !s.trusts(q) {
		s.metrics.rejected.WithLabelValues("token").Inc()
		p := unauthorised.with("expected the header Authorization: Bearer and a token that the server knows")
		p.header = append(p.header, "WWW-Authenticate", "Bearer")
		return p
	}
	if !r.free && s.limiter != nil && !s.limiter.Allow() {
		s.metrics.rejected.WithLabelValues("rate").Inc()
		return tooMany.with(fmt.Sprintf("there are more than %v requests a second: come again", s.options.Rate)).retryAfter(1)
	}
	return nil
}

// trusts reports whether a request has a token, where one is needed.
func (s *Server) trusts(q *http.Request) bool {
	return len(s.options.Tokens) == 0 || s.options.Tokens.Admit(q.Header.Get("Authorization"))
}

// call asks the endpoint. A panic in it is an answer too, and a record in the log.
func (s *Server) call(r route, q *http.Request) (a answer) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("a request failed", "route", r.path, "panic", v)
			a = internalError.with("the server's log says more").answer(q.URL.Path)
		}
	}()
	a, p := r.answer(s.snapshot.Load(), q)
	if p != nil {
		a = p.answer(q.URL.Path)
	}
	return a
}
