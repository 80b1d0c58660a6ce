package serve

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// instruments are what a server exports to Prometheus, in a registry of its own.
type instruments struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	rejected *prometheus.CounterVec
	reloads  *prometheus.CounterVec
	failing  prometheus.Gauge
}

func newInstruments(s *Server) *instruments {
	m := &instruments{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shopstream_api_requests_total", Help: "Requests, by route, status and the arm that answered (both: some series each; empty: no model was asked).",
		}, []string{"route", "status", "arm"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shopstream_api_request_duration_seconds", Help: "Time from a request's header to its answer, by route.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shopstream_api_rejected_total", Help: "Requests turned away, by reason: busy, host, rate or token.",
		}, []string{"reason"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shopstream_api_reloads_total", Help: "Looks at the lake, by result: changed, unchanged or failed.",
		}, []string{"result"}),
		failing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shopstream_api_reload_failing", Help: "1 if the newest look at the lake failed, and an older forecast is served.",
		}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.rejected, m.reloads, m.failing, state{s},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "shopstream_api_in_flight_requests", Help: "Requests that are being answered."},
			func() float64 { return float64(s.inFlight.Load()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// observe counts a request.
func (m *instruments) observe(route string, status int, arm string, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status), arm).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

// state exports what the snapshot that is served is.
type state struct{ server *Server }

var (
	modelInfo = prometheus.NewDesc("shopstream_api_model_info", "1 for each model that answers.", []string{"arm", "version"}, nil)
	modelAge  = prometheus.NewDesc("shopstream_api_model_age_seconds", "Time since the model was trained.", []string{"arm"}, nil)
	dataAge   = prometheus.NewDesc("shopstream_api_data_age_seconds", "Time since the end (in UTC) of the last day of sales in the forecast.", nil, nil)
	series    = prometheus.NewDesc("shopstream_api_series", "Series that are forecast.", []string{"level"}, nil)
)

// Describe implements prometheus.Collector.
func (state) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{modelInfo, modelAge, dataAge, series} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c state) Collect(to chan<- prometheus.Metric) {
	s := c.server.snapshot.Load()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for a, v := range s.sides {
		if v != nil {
			gauge(modelInfo, 1, arm(a).String(), v.manifest.Version)
			gauge(modelAge, time.Since(v.manifest.Created).Seconds(), arm(a).String())
		}
	}
	gauge(dataAge, time.Since(s.origin.Time()).Seconds())
	for _, l := range levels {
		gauge(series, float64(len(s.levels[l].names)), string(l))
	}
}
