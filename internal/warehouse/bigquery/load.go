package bigquery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/civil"
	"google.golang.org/api/iterator"

	"example.com/shopstream/internal/warehouse"
)

// Load is the replacement of one partition.
type Load struct {
	Table warehouse.Table
	Date  civil.Date
	Files []warehouse.File // together the whole content, all of one lake
	// Publication tells this publication of the partition from earlier ones that
	// may have had the same content: of A, B and A again, the second A is another
	// publication. Loading the same publication again changes nothing.
	Publication string
}

// Loaded says how a partition was replaced.
type Loaded struct {
	Job      string
	Rows     int64
	Attempts int  // jobs of this load that were looked at, earlier runs' too
	Found    bool // an earlier run had started the job
}

// oldAttempts bounds how many failed jobs of earlier runs are passed over.
const oldAttempts = 1000

// Publish makes a file the whole content of a table's partition, after making
// or upgrading the table. The publication is told by the table's last change:
// the job of a run that was killed is found while it runs, and is run again if
// it has ended.
func (w *Warehouse) Publish(ctx context.Context, t warehouse.Table, date civil.Date, f warehouse.File) error {
	_, m, err := w.ensureTable(ctx, t)
	if err != nil {
		return err
	}
	changed := strconv.FormatInt(m.LastModifiedTime.UnixMilli(), 10)
	_, err = w.Load(ctx, Load{Table: t, Date: date, Files: []warehouse.File{f}, Publication: tableID(m) + "/" + changed})
	return err
}

// tableID tells a table from another one that had its name before.
func tableID(m *bigquery.TableMetadata) string {
	return strconv.FormatInt(m.CreationTime.UnixMilli(), 10)
}

// Load replaces a partition of a table that exists, and waits until it is done.
// A job that fails for a reason that may pass is followed by another one.
func (w *Warehouse) Load(ctx context.Context, l Load) (Loaded, error) {
	op := fmt.Sprintf("load %s of %s", l.Date, l.Table.Name)
	src, err := readSource(ctx, l.Files)
	if err != nil {
		return Loaded{}, fmt.Errorf("%s: %w", op, err)
	}
	partition := l.Table.Name + "$" + strings.ReplaceAll(l.Date.String(), "-", "")
	base := w.jobID(l)
	// What runs already would replace the partition after this load: of two jobs
	// the last to end wins.
	if err := w.settle(ctx, partition, base); err != nil {
		return Loaded{}, w.explain(op, err)
	}
	failures, wait := 0, w.o.retry.wait
	for attempt := 1; ; attempt++ {
		job, ours, err := w.insert(ctx, fmt.Sprintf("%s_%d", base, attempt), partition, l.Table, src)
		if err != nil {
			return Loaded{}, w.explain(op, err)
		}
		status, err := w.wait(ctx, job)
		if err != nil {
			return Loaded{}, w.explain(op+": job "+job.ID(), err)
		}
		failed := status.Err()
		switch {
		case failed == nil:
			rows, err := loadedRows(status, l.Files)
			if err != nil {
				return Loaded{}, fmt.Errorf("warehouse %s: %s: job %s: %w", w.URI(), op, job.ID(), err)
			}
			return Loaded{Job: job.ID(), Rows: rows, Attempts: attempt, Found: !ours}, nil
		case !ours && attempt < oldAttempts:
			continue // whatever it failed for may have been repaired since
		case !temporaryReason(reasonOf(failed)):
			return Loaded{}, w.explain(op+": job "+job.ID(), withDetails(failed, status))
		}
		if failures++; failures >= w.o.retry.attempts {
			return Loaded{}, w.explain(op, fmt.Errorf("given up after %d jobs, the last is %s: %w", failures, job.ID(), failed))
		}
		slog.Warn("a load job failed, trying again", "job", job.ID(), "wait", wait, "error", failed)
		if err := pause(ctx, wait); err != nil {
			return Loaded{}, w.explain(op, err)
		}
		wait = min(2*wait, w.o.retry.longest)
	}
}

// jobID names a load's jobs, but for the attempt.
func (w *Warehouse) jobID(l Load) string {
	h := sha256.New()
	for _, part := range []string{w.URI(), l.Table.Name, l.Date.String(), contentHash(l.Files), l.Publication} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return fmt.Sprintf("shopstream_%s_%s_%s", l.Table.Name, strings.ReplaceAll(l.Date.String(), "-", ""), hex.EncodeToString(h.Sum(nil)[:12]))
}

// contentHash stands for the content of files, in their order.
func contentHash(files []warehouse.File) string {
	if len(files) == 1 && files[0].Hash != "" {
		return files[0].Hash
	}
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %q %d %d\n", f.Name, f.Hash, f.Rows, f.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// settle waits for the jobs that load a partition now, but for those of this
// load, which are found by their ids.
func (w *Warehouse) settle(ctx context.Context, partition, own string) error {
	for _, state := range []bigquery.State{bigquery.Pending, bigquery.Running} {
		var busy []*bigquery.Job
		err := call(ctx, func(ctx context.Context, _ *calls) error {
			busy = nil
			jobs := w.client.Jobs(ctx)
			jobs.State = state
			for {
				job, err := jobs.Next()
				if errors.Is(err, iterator.Done) {
					return nil
				}
				if err != nil {
					return err
				}
				config, err := job.Config()
				if err != nil {
					return err
				}
				load, ok := config.(*bigquery.LoadConfig)
				if ok && load.Dst != nil && load.Dst.DatasetID == w.o.Dataset && load.Dst.TableID == partition && !strings.HasPrefix(job.ID(), own+"_") {
					busy = append(busy, job)
				}
			}
		})
		if err != nil {
			return fmt.Errorf("list the jobs that run: %w", err)
		}
		for _, job := range busy {
			slog.Info("waiting for an earlier load of the partition", "partition", partition, "job", job.ID())
			if _, err := w.wait(ctx, job); err != nil {
				return fmt.Errorf("job %s, which loads the same partition: %w", job.ID(), err)
			}
		}
	}
	return nil
}

// insert starts a job, or finds the one of that id. ours: this call started it.
func (w *Warehouse) insert(ctx context.Context, id, partition string, t warehouse.Table, src source) (job *bigquery.Job, ours bool, err error) {
	loader := w.dataset.Table(partition).LoaderFrom(src.load(t))
	loader.JobID, loader.Location = id, w.o.Location
	loader.CreateDisposition = bigquery.CreateNever
	loader.WriteDisposition = bigquery.WriteTruncate
	loader.DecimalTargetTypes = []bigquery.DecimalTargetType{bigquery.NumericTargetType}
	loader.Labels = w.labels()
	unclear := false
	err = call(ctx, func(ctx context.Context, c *calls) error {
		job, err = loader.Run(ctx)
		unclear = c.unclear
		return err
	})
	if !hasCode(err, http.StatusConflict) {
		return job, true, err
	}
	err = call(ctx, func(ctx context.Context, _ *calls) error {
		job, err = w.client.JobFromIDLocation(ctx, id, w.o.Location)
		return err
	})
	// After a failure that the service may not have seen, the job is that of the
	// request before.
	return job, unclear, err
}

// wait returns a job's end.
func (w *Warehouse) wait(ctx context.Context, job *bigquery.Job) (status *bigquery.JobStatus, err error) {
	status = job.LastStatus()
	for wait := w.o.retry.poll; status == nil || !status.Done(); wait = min(2*wait, w.o.retry.longest) {
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		err := call(ctx, func(ctx context.Context, _ *calls) error {
			status, err = job.Status(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return status, nil
}

// loadedRows compares what a job has loaded with what the files should have.
func loadedRows(status *bigquery.JobStatus, files []warehouse.File) (int64, error) {
	var want int64
	for _, f := range files {
		want += f.Rows
	}
	load, ok := status.Statistics.Details.(*bigquery.LoadStatistics)
	if !ok {
		return 0, fmt.Errorf("expected the statistics of a load, found %T", status.Statistics.Details)
	}
	if load.OutputRows != want {
		return 0, fmt.Errorf("expected %d rows, the job loaded %d: the file was replaced meanwhile, or is damaged: publish the date again", want, load.OutputRows)
	}
	return load.OutputRows, nil
}

// withDetails adds the further errors of a job, the first of which tell the cause.
func withDetails(failed error, status *bigquery.JobStatus) error {
	for _, e := range status.Errors[:min(3, len(status.Errors))] {
		if e.Error() != failed.Error() {
			failed = fmt.Errorf("%w; %w", failed, e)
		}
	}
	return failed
}
