package serve

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// logOf makes the options log to lines.
func logOf(o *Options) *lines {
	l := &lines{}
	o.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

// TestReloadUnderLoad changes the champion and the sales while clients ask: each
// request gets a whole answer, of one forecast.
func TestReloadUnderLoad(t *testing.T) {
	l := newLake(t)
	s := l.server(t)
	h := s.Handler()
	stop := make(chan struct{})
	var asked atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				w := ask(t, h, http.MethodGet, "/v1/predictions?target=units", "")
				a := decode[predictionsAnswer](t, w.Body.Bytes())
				if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("ETag"), a.Outlook.Version) {
					t.Errorf("status %d, tag %s of %s", w.Code, w.Header().Get("ETag"), a.Outlook.Version)
				}
				for _, p := range a.Predictions {
					if p.ModelVersion != a.Predictions[0].ModelVersion || p.Forecasts[0].Date != a.Outlook.Origin.String() {
						t.Errorf("one answer of two forecasts: %s and %s", p.ModelVersion, a.Predictions[0].ModelVersion)
					}
				}
				asked.Add(1)
			}
		})
	}
	versions := []string{l.other, l.champion}
	for i := range 4 {
		if _, err := l.models.Promote(t.Context(), "demand", versions[i%2], "again"); err != nil {
			t.Fatal(err)
		}
		if err := addDay(t.Context(), l.st, days+i); err != nil {
			t.Fatal(err)
		}
		before := asked.Load()
		changed, err := s.Reload(t.Context())
		if !changed || err != nil {
			t.Fatal(changed, err)
		}
		for asked.Load() < before+4 {
			time.Sleep(time.Millisecond)
		}
		p := decode[predictionsAnswer](t, get(t, h, "/v1/predictions/product/p1").Body.Bytes())
		if p.Predictions[0].ModelVersion != versions[i%2] || p.Outlook.Origin.Date() != firstSale.AddDays(days+i+1) {
			t.Errorf("after change %d: %+v", i, p.Outlook)
		}
	}
	close(stop)
	clients.Wait()
	if changed, err := s.Reload(t.Context()); changed || err != nil {
		t.Errorf("nothing changed: %v, %v", changed, err)
	}
	if w := get(t, h, "/metrics"); !contains(w.Body.String(), `shopstream_api_reloads_total{result="changed"} 5`, `shopstream_api_reloads_total{result="unchanged"} 2`, "shopstream_api_reload_failing 0") {
		t.Error("the metrics do not count the reloads")
	}
}

// TestFailingReload keeps the forecast from before, and says so.
func TestFailingReload(t *testing.T) {
	l := newLake(t)
	var log *lines
	s := l.server(t, func(o *Options) {
		log = logOf(o)
		o.Tokens = tokens(t, secret)
	})
	h := s.Handler()
	bearer := []string{"Authorization", "Bearer " + secret}
	before := get(t, h, "/v1/predictions", bearer...).Body.String()

	// The next champion's file is damaged after it was promoted.
	if _, err := l.models.Promote(t.Context(), "demand", l.other, "test"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(l.uri, "models", "demand", l.other, "model.json")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if changed, err := s.Reload(t.Context()); changed || err == nil || !strings.Contains(err.Error(), "model.json") {
			t.Fatal(changed, err)
		}
	}
	if after := get(t, h, "/v1/predictions", bearer...).Body.String(); after != before {
		t.Error("the forecast is another one")
	}
	for _, c := range []struct {
		header []string
		says   bool
	}{{nil, false}, {bearer, true}} {
		w := get(t, h, "/readyz", c.header...)
		r := decode[readiness](t, w.Body.Bytes())
		if w.Code != http.StatusOK || !r.Reload.Failing || r.Reload.Since == nil || strings.Contains(r.Reload.Error, "model.json") != c.says || r.Champion != l.champion {
			t.Errorf("with %v: %s", c.header, w.Body)
		}
	}
	if !log.has("level=ERROR", "model.json") {
		t.Error("the log does not say so")
	}
	if w := get(t, h, "/metrics", bearer...); !contains(w.Body.String(), `shopstream_api_reloads_total{result="failed"} 2`, "shopstream_api_reload_failing 1") {
		t.Error("the metrics do not say so")
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Reload(t.Context()); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if r := decode[readiness](t, get(t, h, "/readyz").Body.Bytes()); r.Reload.Failing || r.Champion != l.other {
		t.Errorf("%+v", r)
	}
}

// TestWatch: a change is seen in time, and at once on a signal.
func TestWatch(t *testing.T) {
	for name, every := range map[string]time.Duration{"ticks": 10 * time.Millisecond, "signal": 0} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t)
			s := l.server(t, func(o *Options) { o.Reload = every })
			ctx, cancel := context.WithCancel(t.Context())
			signals := make(chan os.Signal, 1)
			done := make(chan struct{})
			go func() { defer close(done); s.Watch(ctx, signals) }()
			if _, err := l.models.Promote(ctx, "demand", l.other, "test"); err != nil {
				t.Fatal(err)
			}
			if every == 0 {
				signals <- syscall.SIGHUP
			}
			for deadline := time.Now().Add(20 * time.Second); s.snapshot.Load().pointer.Champion != l.other; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the new champion is not seen")
				}
			}
			cancel()
			<-done
		})
	}
}

// TestNewRefuses lakes that there is nothing to serve from.
func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*shopLake, *Options)
		want   string
	}{
		"an empty lake":    {func(_ *shopLake, o *Options) { o.Source.Lake = t.TempDir() }, "no version has been promoted"},
		"another model":    {func(_ *shopLake, o *Options) { o.Source.Model = "returns" }, "no version has been promoted"},
		"no name":          {func(_ *shopLake, o *Options) { o.Source.Model = "../gold" }, "name of a model"},
		"no lake":          {func(_ *shopLake, o *Options) { o.Source.Lake = "s3://x" }, "scheme"},
		"no gold":          {func(l *shopLake, _ *Options) { remove(t, l, "ledger") }, "holds no gold"},
		"no champion":      {func(l *shopLake, _ *Options) { remove(t, l, "models/demand/"+l.champion) }, "no such version"},
		"another currency": {func(_ *shopLake, o *Options) { o.Source.Currency = "EUR" }, "EUR"},
		"no horizon":       {func(_ *shopLake, o *Options) { o.Source.Horizon = 0 }, "horizon"},
		"too far":          {func(_ *shopLake, o *Options) { o.Source.Horizon = 29 }, "horizon"},
		"a negative age":   {func(_ *shopLake, o *Options) { o.Source.MaxAge = -1 }, "age"},
		"no requests":      {func(_ *shopLake, o *Options) { o.MaxInFlight = 0 }, "at once"},
		"a negative rate":  {func(_ *shopLake, o *Options) { o.Rate = -1 }, "a second"},
		"no body":          {func(_ *shopLake, o *Options) { o.MaxBody = 0 }, "bytes"},
		"backwards":        {func(_ *shopLake, o *Options) { o.Reload = -1 }, "every"},
	} {
		l := commonLake(t)
		if name == "no gold" || name == "no champion" {
			l = newLake(t) // something is taken out of it
		}
		o := l.options(t)
		c.change(l, &o)
		if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v, expected %q", name, err, c.want)
		}
	}
}

func remove(t *testing.T, l *shopLake, prefix string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(l.uri, filepath.FromSlash(prefix)), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Remove(name)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStaleModel: an old model gives way to a simpler forecast, which says so.
func TestStaleModel(t *testing.T) {
	l := commonLake(t)
	for age, want := range map[int]string{0: "", days - trained: "", days - trained - 1: "stale_model"} {
		h := l.server(t, func(o *Options) { o.Source.MaxAge = age }).Handler()
		p := decode[predictionsAnswer](t, get(t, h, "/v1/predictions/product/p1").Body.Bytes()).Predictions[0]
		if p.Fallback != want {
			t.Errorf("at most %d days: fallback %q, expected %q", age, p.Fallback, want)
		}
	}
}

// TestOtherModel: a model of something else is not served.
func TestOtherModel(t *testing.T) {
	l := newLake(t)
	m, err := l.models.Get(t.Context(), "demand", l.champion)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range m.Files {
		if files[f.Name], err = l.models.File(t.Context(), m, f.Name); err != nil {
			t.Fatal(err)
		}
	}
	m.Version, m.Files, m.Level = "", nil, "shop"
	version, err := l.models.Put(t.Context(), m, files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.models.Promote(t.Context(), "demand", version, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), l.options(t)); err == nil || !strings.Contains(err.Error(), `level "shop"`) {
		t.Error(err)
	}
}

// TestDamagedVersion that nobody asks does not stop the server.
func TestDamagedVersion(t *testing.T) {
	l := newLake(t)
	if err := l.st.Put(t.Context(), "models/demand/"+l.tweedie+"/manifest.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	var log *lines
	h := l.server(t, func(o *Options) { log = logOf(o) }).Handler()
	if list := decode[modelList](t, get(t, h, "/v1/models").Body.Bytes()); list.Total != 2 {
		t.Errorf("%+v", list)
	}
	if !log.has("damaged", l.tweedie) {
		t.Error("the log does not say so")
	}
}
