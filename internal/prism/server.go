package prism

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe" // for go:linkname, and for pointers to types that have no name here

	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism" // links what is named below
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// beamVersion is the version of the SDK that this file repeats. TestSameAsBeam
// compares the two, and says what to do when another version is taken.
const (
	beamModule  = "github.com/apache/beam/sdks/v2"
	beamVersion = "v2.77.0"
)

// server is jobservices.Server, field by field: its methods are called with it.
//
//nolint:unused // by those methods
type server struct {
	jobpb.UnimplementedJobServiceServer
	jobpb.UnimplementedArtifactStagingServiceServer
	jobpb.UnimplementedArtifactRetrievalServiceServer
	fnpb.UnimplementedProvisionServiceServer

	lis    net.Listener
	server *grpc.Server

	mu    sync.RWMutex
	index uint32
	jobs  map[string]unsafe.Pointer

	idleTimer          atomic.Pointer[time.Timer]
	terminatedJobCount uint32
	idleTimeout        time.Duration
	cancelFn           context.CancelCauseFunc
	logger             *slog.Logger

	execute func(unsafe.Pointer)

	artifacts map[string][]byte

	mw unsafe.Pointer
}

// newServer is jobservices.NewServer, without a listener: lis only has the
// address that the server tells its clients.
func newServer(lis net.Listener) *server {
	s := &server{
		lis:     lis,
		jobs:    make(map[string]unsafe.Pointer),
		execute: runPipeline,
		logger:  slog.Default(),
	}
	s.server = grpc.NewServer(
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 20 * time.Second, PermitWithoutStream: true}),
	)
	jobpb.RegisterJobServiceServer(s.server, s)
	jobpb.RegisterArtifactStagingServiceServer(s.server, s)
	jobpb.RegisterArtifactRetrievalServiceServer(s.server, s)
	s.mw = newMultiplexW(lis, s.server, s.logger)
	return s
}

// checkVersion returns an error if the program was built with another version
// of Beam, whose server may be another struct.
func checkVersion() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil // built without modules: nothing to compare
	}
	for _, m := range info.Deps {
		if m.Path != beamModule {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Path != beamModule || m.Version != beamVersion {
			return fmt.Errorf("prism: this program was built with %s %s, and its job server is set up for %s: build it with the versions of go.mod", m.Path, m.Version, beamVersion)
		}
	}
	return nil
}

func (s *server) Prepare(ctx context.Context, r *jobpb.PrepareJobRequest) (*jobpb.PrepareJobResponse, error) {
	return prepare(s, ctx, r)
}

func (s *server) Run(ctx context.Context, r *jobpb.RunJobRequest) (*jobpb.RunJobResponse, error) {
	return runJob(s, ctx, r)
}

func (s *server) Cancel(ctx context.Context, r *jobpb.CancelJobRequest) (*jobpb.CancelJobResponse, error) {
	return cancelJob(s, ctx, r)
}

func (s *server) GetMessageStream(r *jobpb.JobMessagesRequest, stream jobpb.JobService_GetMessageStreamServer) error {
	return getMessageStream(s, r, stream)
}

func (s *server) GetJobMetrics(ctx context.Context, r *jobpb.GetJobMetricsRequest) (*jobpb.GetJobMetricsResponse, error) {
	return getJobMetrics(s, ctx, r)
}

func (s *server) GetJobs(ctx context.Context, r *jobpb.GetJobsRequest) (*jobpb.GetJobsResponse, error) {
	return getJobs(s, ctx, r)
}

func (s *server) GetPipeline(ctx context.Context, r *jobpb.GetJobPipelineRequest) (*jobpb.GetJobPipelineResponse, error) {
	return getPipeline(s, ctx, r)
}

func (s *server) GetState(ctx context.Context, r *jobpb.GetJobStateRequest) (*jobpb.JobStateEvent, error) {
	return getState(s, ctx, r)
}

func (s *server) DescribePipelineOptions(ctx context.Context, r *jobpb.DescribePipelineOptionsRequest) (*jobpb.DescribePipelineOptionsResponse, error) {
	return describePipelineOptions(s, ctx, r)
}

func (s *server) GetStateStream(r *jobpb.GetJobStateRequest, stream jobpb.JobService_GetStateStreamServer) error {
	return getStateStream(s, r, stream)
}

func (s *server) ReverseArtifactRetrievalService(stream jobpb.ArtifactStagingService_ReverseArtifactRetrievalServiceServer) error {
	return reverseArtifactRetrievalService(s, stream)
}

func (s *server) ResolveArtifacts(ctx context.Context, r *jobpb.ResolveArtifactsRequest) (*jobpb.ResolveArtifactsResponse, error) {
	return resolveArtifacts(s, ctx, r)
}

func (s *server) GetArtifact(r *jobpb.GetArtifactRequest, stream jobpb.ArtifactRetrievalService_GetArtifactServer) error {
	return getArtifact(s, r, stream)
}
