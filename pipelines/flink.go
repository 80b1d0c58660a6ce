package pipelines

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/graphx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/util/hooks"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal/extworker"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal/runnerlib"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/worker"
)

// FlinkOptions are what a Flink cluster is told about a job. Where the job
// server is and where workers run are Beam's own options (--endpoint,
// --environment_type, --environment_config, --job_name, --async).
type FlinkOptions struct {
	Parallelism   int           // task slots
	Checkpoint    time.Duration // time between checkpoints
	CheckpointDir string        // URI; "": the cluster's
	StateBackend  string        // hashmap or rocksdb; "": the cluster's
	Savepoint     string        // to resume from; "": none
	MaxBundle     time.Duration // longest bundle
}

const (
	// idleSlice is how long the source waits for data before it lets its task
	// go on: a task reads its groups of partitions one after the other.
	idleSlice = 50 * time.Millisecond

	// answerWait is how long the job server may take to answer at all.
	answerWait = 30 * time.Second
)

// Loopback reports whether the workers of a cluster's job run in this process.
func Loopback() bool { return jobopts.IsLoopback() }

func (o FlinkOptions) validate() error {
	env := strings.ToUpper(*jobopts.EnvironmentType)
	switch {
	case *jobopts.Endpoint == "":
		return errors.New("the Flink runner needs the address of Beam's job server: --endpoint=host:8099")
	case env != "PROCESS" && env != "LOOPBACK":
		return fmt.Errorf("--environment_type=%s: expected PROCESS (workers are started by the cluster) or LOOPBACK (they run in this process)", *jobopts.EnvironmentType)
	case env == "LOOPBACK" && *jobopts.Async:
		return errors.New("--async: with --environment_type=LOOPBACK the workers would end with this program")
	case env == "PROCESS" && *jobopts.EnvironmentConfig == "":
		return errors.New(`workers are started by a program on the cluster's machines: name it with --environment_config={"command":"/path/to/boot"}`)
	case (o.StateBackend == "") != (o.CheckpointDir == ""):
		return fmt.Errorf("--flink-state-backend=%s and --flink-checkpoint-dir=%s: Beam's job server takes both or none", o.StateBackend, o.CheckpointDir)
	}
	return nil
}

// options are the job's options as Beam's job server reads them.
func (o FlinkOptions) options(name, workerHash string, bounded bool) (*structpb.Struct, error) {
	hooks.SerializeHooksToOptions()
	beam.PipelineOptions.LoadOptionsFromFlags(nil)
	forWorkers := beam.PipelineOptions.Export()
	forWorkers.Options[worker.HashOption] = workerHash
	all := map[string]any{"beam:option:go_options:v1": forWorkers}
	for option, v := range map[string]any{
		"app_name":                         name,
		"job_name":                         name,
		"experiments":                      append(jobopts.GetExperiments(), "beam_fn_api"),
		"streaming":                        true,
		"parallelism":                      o.Parallelism,
		"checkpointing_interval":           o.Checkpoint.Milliseconds(),
		"max_bundle_time_mills":            o.MaxBundle.Milliseconds(), // the name is Beam's
		"externalized_checkpoints_enabled": true,                       // with the next: kept when a job is cancelled
		"retain_externalized_checkpoints_on_cancellation": true,
		// Without it, a checkpoint during the first bundle can leave the job silent for ever.
		"finish_bundle_before_checkpointing": true,
		// A savepoint can be resumed with another parallelism only without it.
		"operator_chaining": false,
	} {
		all["beam:option:"+option+":v1"] = v
	}
	if bounded { // or the source of a job that has ended stays, to be checkpointed, and the job with it
		all["beam:option:shutdown_sources_after_idle_ms:v1"] = 1000
	}
	if o.Savepoint != "" {
		all["beam:option:savepoint_path:v1"] = o.Savepoint
	}
	if o.CheckpointDir != "" {
		all["beam:option:state_backend_storage_path:v1"] = o.CheckpointDir
		all["beam:option:state_backend:v1"] = map[string]string{"hashmap": "filesystem", "rocksdb": "rocksdb"}[o.StateBackend]
	}
	return tools.OptionsToProto(all)
}

// runOnFlink runs the job on the cluster. whole says that a bounded job has
// ended with all in the lake that the topic held when it was submitted: a job
// that was stopped with a savepoint has ended too.
func (o StreamingOptions) runOnFlink(ctx context.Context, p *beam.Pipeline) (whole bool, err error) {
	// A topic that is missing is found here: the cluster would try again for ever.
	ends, err := kafkaio.Ends(o.Source.Cluster, o.Source.Topic)
	if err != nil {
		return false, err
	}
	ended, err := o.Flink.run(ctx, p, o.Source.Bounded)
	err = errors.Join(err, kafkaio.Close(o.Source.ID)) // of workers in this process
	if err != nil || !ended || !o.Source.Bounded {
		return false, err
	}
	st, err := lake.Shared(ctx, o.Lake)
	if err != nil {
		return false, err
	}
	ledger, err := lake.ReadLedger(ctx, st)
	if err != nil {
		return false, err
	}
	_, next, err := ledger.Offsets(ctx, st)
	if err != nil {
		return false, err
	}
	for partition, end := range ends {
		if next[partition] < end {
			slog.Warn("the lake lacks records that the topic has: it is not closed", "lake", o.Lake,
				"partition", partition, "next", next[partition], "end", end)
			return false, nil
		}
	}
	return true, nil
}

// run gives a pipeline to the cluster and waits until the job has ended, unless
// --async is on. ended is false where the job goes on, or was cancelled. When
// ctx ends only the waiting does, except that a job whose workers are in this
// process is cancelled.
func (o FlinkOptions) run(ctx context.Context, p *beam.Pipeline, bounded bool) (ended bool, err error) {
	conn, err := dialJobServer(ctx, *jobopts.Endpoint)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	client := jobpb.NewJobServiceClient(conn)

	environment := jobopts.GetEnvironmentConfig
	if jobopts.IsLoopback() {
		pool, poolErr := extworker.StartLoopback(context.WithoutCancel(ctx), 0)
		if poolErr != nil {
			return false, fmt.Errorf("start the workers of this process: %w", poolErr)
		}
		defer func() { err = errors.Join(err, pool.Stop(context.WithoutCancel(ctx))) }()
		environment = pool.EnvironmentConfig
	}
	job, err := o.submit(ctx, client, p, environment, bounded)
	if err != nil {
		return false, err
	}
	slog.Info("the job is on the cluster", "job", job)
	if *jobopts.Async {
		return false, nil
	}
	ended, err = waitForJob(ctx, client, job)
	if ctx.Err() != nil && jobopts.IsLoopback() {
		cancelCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWait)
		defer cancel()
		if _, cancelErr := client.Cancel(cancelCtx, &jobpb.CancelJobRequest{JobId: job}); cancelErr != nil {
			err = fmt.Errorf("cannot cancel the job %s, whose workers end with this process: %w", job, cancelErr) // not ctx's: that would say that it was
		}
	}
	return ended, err
}

func dialJobServer(ctx context.Context, endpoint string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, answerWait)
		defer cancel()
		if _, err = jobpb.NewJobServiceClient(conn).GetJobs(ctx, &jobpb.GetJobsRequest{}, grpc.WaitForReady(false)); err != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("Beam's job server does not answer at %s: start it beside the Flink cluster, or name another with --endpoint: %w", endpoint, err) //nolint:staticcheck // a name
	}
	return conn, nil
}

// submit stages the job and starts it.
func (o FlinkOptions) submit(ctx context.Context, client jobpb.JobServiceClient, p *beam.Pipeline, environmentConfig func(context.Context) string, bounded bool) (job string, err error) {
	edges, _, err := p.Build()
	if err != nil {
		return "", fmt.Errorf("build the graph: %w", err)
	}
	environment, err := graphx.CreateEnvironment(ctx, jobopts.GetEnvironmentUrn(ctx), environmentConfig)
	if err != nil {
		return "", fmt.Errorf("--environment_config: %w", err)
	}
	graph, err := graphx.Marshal(edges, &graphx.Options{Environment: environment, PipelineResourceHints: jobopts.GetPipelineResourceHints()})
	if err != nil {
		return "", fmt.Errorf("encode the graph: %w", err)
	}
	staged, remove, err := nothingToStage(graph)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, remove()) }()
	hash, err := worker.OwnHash()
	if err != nil {
		return "", err
	}
	name := *jobopts.JobName
	if name == "" {
		name = "shopstream"
	}
	options, err := o.options(name, hash, bounded)
	if err != nil {
		return "", fmt.Errorf("encode the job's options: %w", err)
	}
	prepared, err := client.Prepare(ctx, &jobpb.PrepareJobRequest{Pipeline: graph, PipelineOptions: options, JobName: name})
	if err != nil {
		return "", fmt.Errorf("the job server refuses the job: %w", err)
	}
	token, err := runnerlib.Stage(ctx, prepared.GetPreparationId(), prepared.GetArtifactStagingEndpoint().GetUrl(), staged, prepared.GetStagingSessionToken())
	if err != nil {
		return "", fmt.Errorf("stage the job at the job server: %w", err)
	}
	if job, err = runnerlib.Submit(ctx, client, prepared.GetPreparationId(), token); err != nil {
		return "", fmt.Errorf("start the job: %w", err)
	}
	return job, nil
}

// nothingToStage makes the job's worker an empty file. Each worker is a program
// that is there already, and uploading this one would leave a copy on every
// machine at every start.
func nothingToStage(graph *pipepb.Pipeline) (name string, remove func() error, err error) {
	f, err := os.CreateTemp("", "shopstream-worker-*")
	if err != nil {
		return "", nil, err
	}
	remove = func() error { return os.Remove(f.Name()) }
	if err := errors.Join(f.Close(), runnerlib.UpdateGoEnvironmentWorker(f.Name(), graph)); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return f.Name(), remove, nil
}
