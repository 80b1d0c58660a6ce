//go:build unix

// Boot starts the streaming program as a worker of a cluster. The cluster's
// task managers run it (--environment_type=PROCESS); it becomes the worker, so
// that ending it ends the worker, and leaves no file behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/apache/beam/sdks/v2/go/container/tools"
	fnpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/fnexecution_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/util/grpcx"

	"example.com/shopstream/internal/worker"
)

const intro = `boot starts the streaming program as a worker of a Flink cluster.

Task managers run it; install it and the streaming program on each of their machines, in
one folder, and submit jobs with
  streaming --runner=flink-cluster --environment_type=PROCESS \
            --environment_config='{"command":"/path/to/boot"}' …
The variable SHOPSTREAM_BOOT_WORKER names a streaming program elsewhere. It must be the
same build as the one that submits the job.

Flags, which task managers give:
  --id string                  name of the worker
  --provision_endpoint string  where to ask for the job's options
Others are ignored.
`

func main() {
	if err := start(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "boot:", err)
		os.Exit(1)
	}
}

// start does not return if all is well: the process is the worker then.
func start(args []string) error {
	id, endpoint, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := fmt.Print(intro)
		return err
	}
	if err != nil {
		return err
	}
	program, err := workerProgram()
	if err != nil {
		return err
	}
	info, err := tools.ProvisionInfo(grpcx.WriteWorkerID(context.Background(), id), endpoint)
	if err != nil {
		return fmt.Errorf("ask the task manager at %s for the job's options: %w", endpoint, err)
	}
	if err := sameBuild(program, info); err != nil {
		return err
	}
	options, err := optionsFile(info)
	if err != nil {
		return err
	}
	env := append(os.Environ(), "PIPELINE_OPTIONS_FILE="+options, "RUNNER_CAPABILITIES="+strings.Join(info.GetRunnerCapabilities(), " "))
	if status := info.GetStatusEndpoint().GetUrl(); status != "" {
		env = append(env, "STATUS_ENDPOINT="+status)
	}
	argv := []string{
		program, "--worker=true", "--id=" + id,
		"--logging_endpoint=" + info.GetLoggingEndpoint().GetUrl(), "--control_endpoint=" + info.GetControlEndpoint().GetUrl(),
	}
	// What to run is the installer's word, and every argument starts with its flag.
	return fmt.Errorf("run the worker %s: %w", program, syscall.Exec(program, argv, env)) //nolint:gosec // G702
}

func parse(args []string) (id, endpoint string, err error) {
	set := flag.NewFlagSet("boot", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&id, "id", "", "")
	set.StringVar(&endpoint, "provision_endpoint", "", "")
	for _, other := range []string{"logging_endpoint", "artifact_endpoint", "control_endpoint", "semi_persist_dir"} {
		set.String(other, "", "")
	}
	switch err := set.Parse(args); {
	case err != nil:
		return "", "", err
	case id == "" || endpoint == "":
		return "", "", errors.New("--id and --provision_endpoint are needed, which a task manager gives: see --help")
	}
	return id, endpoint, nil
}

// workerProgram finds the streaming program.
func workerProgram() (string, error) {
	const variable = "SHOPSTREAM_BOOT_WORKER"
	if name := os.Getenv(variable); name != "" {
		return name, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the worker beside this program: %w; name it with %s", err, variable)
	}
	name := filepath.Join(filepath.Dir(self), "streaming")
	if _, err := os.Stat(name); err != nil {
		return "", fmt.Errorf("the worker is missing: %w; put it there, or name it with %s", err, variable)
	}
	return name, nil
}

// sameBuild returns an error if the job was submitted by another build of the
// program: its graph would not fit this one's code.
func sameBuild(program string, info *fnpb.ProvisionInfo) error {
	want, err := tools.ParseOptionsFromProto(info.GetPipelineOptions(), "go_options").GetString(worker.HashOption)
	if err != nil {
		return fmt.Errorf("the job was not submitted by the streaming program with --runner=flink-cluster: %w", err)
	}
	have, err := worker.Hash(program)
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%s is not the build that submitted the job: its SHA-256 is %s, the job's %s. Install the same one on every machine", program, have, want)
	}
	return nil
}

// optionsFile puts the job's options into a file that has no name anymore and
// ends with the process, and returns a path that opens it.
func optionsFile(info *fnpb.ProvisionInfo) (string, error) {
	text, err := tools.ProtoToJSON(info.GetPipelineOptions())
	if err != nil {
		return "", fmt.Errorf("the job's options: %w", err)
	}
	f, err := os.CreateTemp("", "shopstream-options-*")
	if err != nil {
		return "", fmt.Errorf("keep the job's options: %w", err)
	}
	_, err = f.WriteString(text)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart) // where /dev/fd shares the position
	}
	fd := -1
	if err = errors.Join(err, os.Remove(f.Name())); err == nil {
		fd, err = syscall.Dup(int(f.Fd())) // which, unlike f, the worker inherits
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("keep the job's options: %w", err)
	}
	return fmt.Sprintf("/dev/fd/%d", fd), nil
}
