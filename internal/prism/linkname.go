package prism

import (
	"context"
	"log/slog"
	"net"
	"unsafe"

	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"google.golang.org/grpc"
)

// What follows is Beam's own code, in packages that only Beam may import.

//go:linkname runPipeline github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal.RunPipeline
func runPipeline(job unsafe.Pointer)

//go:linkname newMultiplexW github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/worker.NewMultiplexW
func newMultiplexW(lis net.Listener, g *grpc.Server, logger *slog.Logger) unsafe.Pointer

//go:linkname prepare github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).Prepare
func prepare(s *server, ctx context.Context, r *jobpb.PrepareJobRequest) (*jobpb.PrepareJobResponse, error)

//go:linkname runJob github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).Run
func runJob(s *server, ctx context.Context, r *jobpb.RunJobRequest) (*jobpb.RunJobResponse, error)

//go:linkname cancelJob github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).Cancel
func cancelJob(s *server, ctx context.Context, r *jobpb.CancelJobRequest) (*jobpb.CancelJobResponse, error)

//go:linkname getMessageStream github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).GetMessageStream
func getMessageStream(s *server, r *jobpb.JobMessagesRequest, stream jobpb.JobService_GetMessageStreamServer) error

//go:linkname getJobMetrics github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).GetJobMetrics
func getJobMetrics(s *server, ctx context.Context, r *jobpb.GetJobMetricsRequest) (*jobpb.GetJobMetricsResponse, error)

//go:linkname getJobs github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).GetJobs
func getJobs(s *server, ctx context.Context, r *jobpb.GetJobsRequest) (*jobpb.GetJobsResponse, error)

//go:linkname getPipeline github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).GetPipeline
func getPipeline(s *server, ctx context.Context, r *jobpb.GetJobPipelineRequest) (*jobpb.GetJobPipelineResponse, error)

//go:linkname getState github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).GetState
func getState(s *server, ctx context.Context, r *jobpb.GetJobStateRequest) (*jobpb.JobStateEvent, error)

//go:linkname describePipelineOptions github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).DescribePipelineOptions
func describePipelineOptions(s *server, ctx context.Context, r *jobpb.DescribePipelineOptionsRequest) (*jobpb.DescribePipelineOptionsResponse, error)

//go:linkname getStateStream github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).GetStateStream
func getStateStream(s *server, r *jobpb.GetJobStateRequest, stream jobpb.JobService_GetStateStreamServer) error

//go:linkname reverseArtifactRetrievalService github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).ReverseArtifactRetrievalService
func reverseArtifactRetrievalService(s *server, stream jobpb.ArtifactStagingService_ReverseArtifactRetrievalServiceServer) error

//go:linkname resolveArtifacts github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).ResolveArtifacts
func resolveArtifacts(s *server, ctx context.Context, r *jobpb.ResolveArtifactsRequest) (*jobpb.ResolveArtifactsResponse, error)

//go:linkname getArtifact github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism/internal/jobservices.(*Server).GetArtifact
func getArtifact(s *server, r *jobpb.GetArtifactRequest, stream jobpb.ArtifactRetrievalService_GetArtifactServer) error
