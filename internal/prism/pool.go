package prism

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness/init" // what a worker needs
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"
)

// pool runs the workers of jobs in this process. It is extworker.Loopback,
// which would listen on a TCP port.
type pool struct {
	fnpb.UnimplementedBeamFnExternalWorkerPoolServer

	mu      sync.Mutex
	workers map[string]context.CancelFunc // guarded by mu
}

// StartWorker starts a worker that asks the server of the request for work.
func (p *pool) StartWorker(_ context.Context, r *fnpb.StartWorkerRequest) (*fnpb.StartWorkerResponse, error) {
	id := r.GetWorkerId()
	logging, control := r.GetLoggingEndpoint().GetUrl(), r.GetControlEndpoint().GetUrl()
	if logging != endpoint || control != endpoint {
		return &fnpb.StartWorkerResponse{Error: fmt.Sprintf("worker %q: expected the endpoints of this process, found %q for logs and %q for control", id, logging, control)}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers[id] != nil {
		return &fnpb.StartWorkerResponse{Error: fmt.Sprintf("worker %q is running already", id)}, nil
	}
	// Not the request's context: the worker outlives it.
	ctx, cancel := context.WithCancel(grpcx.WriteWorkerID(context.Background(), id))
	p.workers[id] = cancel
	go harness.MainWithOptions(ctx, logging, control, options(ctx, r.GetProvisionEndpoint().GetUrl())) //nolint:errcheck // it tells the runner, too
	return &fnpb.StartWorkerResponse{}, nil
}

// options are what the runner says about itself.
func options(ctx context.Context, url string) harness.Options {
	info, err := tools.ProvisionInfo(ctx, url)
	if err != nil {
		slog.Warn("prism: the runner did not say what it can do: the worker assumes nothing", "error", err)
		return harness.Options{}
	}
	return harness.Options{StatusEndpoint: info.GetStatusEndpoint().GetUrl(), RunnerCapabilities: info.GetRunnerCapabilities()}
}

// StopWorker stops a worker.
func (p *pool) StopWorker(_ context.Context, r *fnpb.StopWorkerRequest) (*fnpb.StopWorkerResponse, error) {
	id := r.GetWorkerId()
	p.mu.Lock()
	defer p.mu.Unlock()
	cancel := p.workers[id]
	if cancel == nil {
		return &fnpb.StopWorkerResponse{Error: fmt.Sprintf("no worker %q is running", id)}, nil
	}
	cancel()
	delete(p.workers, id)
	return &fnpb.StopWorkerResponse{}, nil
}
