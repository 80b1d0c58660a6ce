package serve

import (
	"context"
	"fmt"
	"os"
	"time"

	"example.com/shopstream/internal/lake"
)

// Reload looks at the lake, and takes a new snapshot where something changed:
// another champion or challenger, or newer sales. With an error the snapshot
// from before stays. One reload runs at a time.
//
// After that it scores the stored forecasts of both arms; where that fails there
// are no results, and the log says why.
func (s *Server) Reload(ctx context.Context) (changed bool, err error) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	changed, err = s.look(ctx)
	s.scoreStored(ctx)
	return changed, err
}

// look is Reload without results.
func (s *Server) look(ctx context.Context) (changed bool, err error) {
	began := time.Now()
	changed, err = s.reload(ctx)
	switch {
	case err != nil && ctx.Err() != nil: // told to stop
	case err != nil:
		s.metrics.reloads.WithLabelValues("failed").Inc()
		s.metrics.failing.Set(1)
		since := began
		if before := s.failure.Load(); before != nil {
			since = before.since
		}
		s.failure.Store(&failure{err, since})
		if s.snapshot.Load() != nil { // else the program ends with this error
			s.log.Error("the next forecast cannot be made: the one before stays", "error", err, "since", since)
		}
	default:
		result := "unchanged"
		if changed {
			result = "changed"
			v := s.snapshot.Load()
			s.log.Info("forecast", "model", v.model, "champion", v.pointer.Champion, "challenger", v.pointer.Challenger, "share", v.pointer.Share,
				"origin", v.origin.String(), "products", len(v.levels[levels[0]].names), "took", time.Since(began))
			if v.damaged != "" {
				s.log.Warn("versions of the model are damaged", "error", v.damaged)
			}
		}
		s.metrics.reloads.WithLabelValues(result).Inc()
		s.metrics.failing.Set(0)
		s.failure.Store(nil)
	}
	return changed, err
}

func (s *Server) reload(ctx context.Context) (changed bool, err error) {
	source := s.options.Source
	st, err := lake.SharedNow(ctx, source.Lake)
	if err != nil {
		return false, err
	}
	// Before it is read: a change meanwhile is seen the next time.
	key, err := source.key(ctx, st)
	if err != nil {
		return false, err
	}
	if before := s.snapshot.Load(); before != nil && before.key == key {
		return false, nil
	}
	next, sales, err := source.load(ctx, st)
	if err != nil {
		return false, fmt.Errorf("model %q: %w", source.Model, err)
	}
	next.key, s.unscored = key, sales
	s.snapshot.Store(next)
	return true, nil
}

// scoreStored gives the snapshot its results, if it has none.
func (s *Server) scoreStored(ctx context.Context) {
	if s.unscored == nil {
		return
	}
	v := s.snapshot.Load()
	st, err := lake.SharedNow(ctx, s.options.Source.Lake)
	var answers map[cut][]byte
	if err == nil {
		answers, err = readResults(ctx, st, v, s.unscored)
	}
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("the stored forecasts cannot be scored", "error", err)
	}
	v.results.Store(&resultSet{answers, err})
	s.unscored = nil
}

// Watch reloads at once, every now and then, as the options say, and at each
// signal, until ctx ends. What fails is logged, counted, and tried again.
func (s *Server) Watch(ctx context.Context, signals <-chan os.Signal) {
	var ticks <-chan time.Time
	if s.options.Reload > 0 {
		ticker := time.NewTicker(s.options.Reload)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		_, _ = s.Reload(ctx) // it has said what is wrong
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		case <-signals:
		}
	}
}
