package pipelines

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"

	// Registers the runners.
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/prism"
)

// The runners that run a job in this process.
const (
	Prism  = "prism"  // the default
	Direct = "direct" // bounded jobs only
)

// Flink is the runner that gives a job, with Flink's options, to Beam's job
// server of a Flink cluster. Beam has "flink" and "universal" too, which cannot
// pass such options on.
const Flink = "flink-cluster"

// runnerNames are the runners that a job can be given to.
var runnerNames = []string{Prism, Direct, Flink, "universal", "dataflow"}

// Runner returns the runner that --runner names.
func Runner() string {
	if *runners.Runner == "" {
		return Prism
	}
	return *runners.Runner
}

// noSplits keeps Prism from splitting the source's restriction.
var noSplits = sync.OnceFunc(func() {
	const experiment = "prism_disable_sdf_split"
	if *jobopts.Experiments != "" {
		*jobopts.Experiments += ","
	}
	*jobopts.Experiments += experiment
})

// Run runs a pipeline on the runner and returns when it has ended, or with
// ctx's error when ctx has, unless the job had failed before. A job in this process stops then at once and
// nothing is drained, so that no window closes before its time; a job on
// another machine goes on.
func Run(ctx context.Context, runner string, p *beam.Pipeline) error {
	if runner != Prism {
		_, err := beam.Run(ctx, runner, p)
		return outcome(ctx, rootCause(err))
	}
	return outcome(ctx, runOnPrism(ctx, p))
}

// connectWithin is how long the job server may take to answer.
const connectWithin = time.Minute

func runOnPrism(ctx context.Context, p *beam.Pipeline) (err error) {
	noSplits()
	stop, err := prism.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	// Connected from the start: a process that has run out of descriptors can be stopped, too.
	server, err := grpcx.Dial(ctx, *jobopts.Endpoint, connectWithin)
	if err != nil {
		return fmt.Errorf("no connection to Prism's job server: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	ended := make(chan struct{})
	cancelled := make(chan error, 1)
	go func() {
		select {
		case <-ended:
			cancelled <- nil
		case <-ctx.Done():
			cancelled <- cancelJobs(jobpb.NewJobServiceClient(server), ended)
		}
	}()
	// Not ctx: cancelling it would end the wait, but leave the job's work running.
	_, err = beam.Run(context.WithoutCancel(ctx), Prism, p)
	close(ended)
	return errors.Join(rootCause(err), <-cancelled)
}

// outcome is the result of a run during which ctx may have ended: then its
// error, or cause where that says more, unless the job had failed by itself.
func outcome(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(cause, lake.ErrLeaseLost):
		return cause
	case err == nil, errors.Is(err, context.Canceled), strings.Contains(err.Error(), context.Canceled.Error()):
		return ctx.Err()
	}
	return err
}

// BeamPackages is the prefix of the packages whose logs repeat what Run
// returns.
const BeamPackages = "github.com/apache/beam/"

// rootCause cuts what Beam puts around the error of a DoFn: the plan of the
// bundle, over several lines, and the DoFn's name in a line of its own.
func rootCause(err error) error {
	if err == nil {
		return nil
	}
	const mark = "caused by:\n"
	text := err.Error()
	i := strings.LastIndex(text, mark)
	if i < 0 {
		return err
	}
	text = text[i+len(mark):]
	if first, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(first, "DoFn[") {
		text = rest
	}
	return errors.New(strings.TrimSpace(text))
}

// cancelJobs cancels every job of the job server until the run has ended. A
// job that was not submitted yet is caught by a later round.
func cancelJobs(server jobpb.JobServiceClient, ended <-chan struct{}) error {
	for {
		err := cancelOnce(server)
		select {
		case <-ended:
			return nil
		case <-time.After(100 * time.Millisecond):
		}
		if err != nil {
			return fmt.Errorf("cannot cancel the job: %w", err)
		}
	}
}

func cancelOnce(server jobpb.JobServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	jobs, err := server.GetJobs(ctx, &jobpb.GetJobsRequest{})
	for _, job := range jobs.GetJobInfo() {
		switch job.GetState() {
		case jobpb.JobState_DONE, jobpb.JobState_FAILED, jobpb.JobState_CANCELLED, jobpb.JobState_CANCELLING:
			continue
		}
		_, cancelErr := server.Cancel(ctx, &jobpb.CancelJobRequest{JobId: job.GetJobId()})
		err = errors.Join(err, cancelErr)
	}
	return err
}
