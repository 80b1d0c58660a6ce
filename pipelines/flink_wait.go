package pipelines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
)

// waitForJob follows a job to its end, and logs what the job server says of it.
// ended is false for a job that was cancelled.
func waitForJob(ctx context.Context, client jobpb.JobServiceClient, job string) (ended bool, err error) {
	stream, err := client.GetMessageStream(ctx, &jobpb.JobMessagesRequest{JobId: job})
	if err != nil {
		return false, lostJob(ctx, job, err)
	}
	var state jobpb.JobState_Enum
	var cause string // the last error that the job server told
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return jobEnd(job, state, cause)
		case err != nil:
			return false, lostJob(ctx, job, err)
		}
		if s := m.GetStateResponse(); s != nil {
			state = s.GetState()
			slog.Info("job", "job", job, "state", state)
		}
		if text := m.GetMessageResponse(); text != nil {
			level := levelOf(text.GetImportance())
			slog.Log(ctx, level, "job server", "job", job, "message", text.GetMessageText())
			if level == slog.LevelError {
				cause = text.GetMessageText()
			}
		}
		// A failed job's error may come after its state; the stream's end does in any case.
		if state == jobpb.JobState_DONE || state == jobpb.JobState_CANCELLED || state == jobpb.JobState_FAILED && cause != "" {
			return jobEnd(job, state, cause)
		}
	}
}

func jobEnd(job string, state jobpb.JobState_Enum, cause string) (ended bool, err error) {
	switch state {
	case jobpb.JobState_DONE:
		return true, nil
	case jobpb.JobState_CANCELLED:
		return false, nil
	case jobpb.JobState_FAILED:
		return false, fmt.Errorf("the job %s has failed; the cluster's logs say more: %w", job, rootCause(errors.New(cause)))
	}
	return false, fmt.Errorf("the job server lost the job %s in state %s: look for it at the cluster", job, state)
}

func lostJob(ctx context.Context, job string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the job server does not answer anymore; the job %s may go on, look for it at the cluster: %w", job, err)
}

func levelOf(i jobpb.JobMessage_MessageImportance) slog.Level {
	switch i {
	case jobpb.JobMessage_JOB_MESSAGE_ERROR:
		return slog.LevelError
	case jobpb.JobMessage_JOB_MESSAGE_WARNING:
		return slog.LevelWarn
	case jobpb.JobMessage_JOB_MESSAGE_BASIC:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
