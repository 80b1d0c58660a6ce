package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"time"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

// replay sends a file to the topic, behind the files that were sent before.
type replay struct {
	w          io.Writer
	cluster    kafkaio.Cluster
	topic      string
	partitions int
	path       string
	format     producer.Format
	bound      time.Duration // out-of-orderness of the pipeline
	journal    *journal
	next       part
}

// part is what is sent next: a file, or what it has grown by.
type part struct {
	file    *producer.File
	sent    sent
	resumed bool // a run was killed over it
	adopted bool // the topic is of an earlier version, which kept no journal
}

func newReplay(ctx context.Context, w io.Writer, cluster kafkaio.Cluster, topic string, partitions int, set settings, bound time.Duration) (*replay, error) {
	id, err := kafkaio.FindTopic(cluster, topic)
	if err != nil {
		return nil, err
	}
	r := &replay{w: w, cluster: cluster, topic: topic, partitions: partitions, path: set.source, format: set.kind, bound: bound}
	if r.journal, err = readJournal(set.data, id); err != nil {
		return nil, err
	}
	return r, r.plan(ctx)
}

// plan inspects the file, and finds what of it is to be sent.
func (r *replay) plan(ctx context.Context) error {
	ends, err := kafkaio.Ends(r.cluster, r.topic)
	if err != nil {
		return err
	}
	was := r.journal.unfinished()
	switch n := len(r.journal.Sent); {
	case was != nil:
		return r.goOn(ctx, *was)
	case n > 0:
		if last := r.journal.Sent[n-1].End; !maps.Equal(last, ends) {
			return fmt.Errorf("topic %s ends at offsets %v, expected %v, where the last file ended: something else has written to it (a simulated shop?). Use another folder with --data", r.topic, ends, last)
		}
	case len(ends) > 0:
		file, err := r.inspect(ctx, nil, 0)
		r.next = part{file: file, adopted: true, sent: sent{Legacy: true}}
		return err
	}
	file, err := r.inspect(ctx, r.journal.known(r.format), 0)
	if err != nil {
		return err
	}
	legacy, before := r.journal.legacy(r.format, file.From)
	if before && !legacy && r.format == producer.OnlineRetail {
		return fmt.Errorf("the folder was filled by an earlier version, whose event ids cannot tell whether %s has lines of the file before: replay both into another folder with --data", r.path)
	}
	if ends == nil {
		ends = map[int32]int64{}
	}
	r.next = part{file: file, sent: sent{From: file.From, Start: ends, Legacy: legacy}}
	return nil
}

// goOn plans to send what a run was killed over.
func (r *replay) goOn(ctx context.Context, was sent) error {
	file, err := r.inspect(ctx, r.journal.known(r.format), was.Content.Bytes)
	if err != nil {
		return err
	}
	if file.Content != was.Content || r.format != was.Format || file.From != was.From {
		return fmt.Errorf("the topic has a part of %s (%d bytes, SHA-256 %s), which was not sent to its end, and %s does not begin with that content: replay that file first, or use another folder with --data",
			was.File, was.Content.Bytes, was.Content.SHA256, r.path)
	}
	r.next = part{file: file, sent: was, resumed: true}
	return nil
}

func (r *replay) inspect(ctx context.Context, known []producer.Prefix, end int64) (*producer.File, error) {
	bar := newProgress(r.w, "reading "+filepath.Base(r.path))
	defer bar.end()
	return producer.Inspect(ctx, r.path, producer.InspectOptions{
		Format: r.format, Known: known, End: end, Bound: r.bound,
		Progress: func(n int64) {
			bar.update(producer.Progress{Records: n, Rate: float64(n) / time.Since(bar.began).Seconds()})
		},
	})
}

// tell says how the file will be replayed, where that is not as it stands.
func (r *replay) tell() {
	f := r.next.file
	name := filepath.Base(r.path)
	switch {
	case f.Nothing():
		fmt.Fprintf(r.w, "%s was replayed before and has not changed: there is nothing to add.\n", name)
		return
	case f.From > 0:
		fmt.Fprintf(r.w, "%s has grown since it was replayed: %s records are added to the %s before.\n", name, number(f.Records), number(f.Before))
	case len(r.journal.Sent) > 0 && !r.next.resumed:
		fmt.Fprintf(r.w, "%s is another file than was replayed before: its events are added; those that are there already are counted once.\n", name)
	}
	if f.Sorted() && f.Format != producer.OTTO && !r.next.sent.Legacy {
		fmt.Fprintf(r.w, "%s is not in order of time (a record is up to %s behind those before it): it is replayed in order of time.\n", name, short(f.Behind.Round(time.Second)))
	}
}

// send sends what is to be sent, and returns how many records of files the
// topic has then.
func (r *replay) send(ctx context.Context) (int64, error) {
	for {
		r.tell()
		again := r.next.resumed // the file may have grown since
		if err := r.sendPart(ctx); err != nil {
			return 0, err
		}
		if !again {
			return r.journal.records(), nil
		}
		if err := r.plan(ctx); err != nil {
			return 0, err
		}
	}
}

func (r *replay) sendPart(ctx context.Context) (err error) {
	p := r.next
	f := p.file
	p.sent.File, p.sent.Format, p.sent.Content, p.sent.End = filepath.Base(r.path), f.Format, f.Content, nil
	if !f.Nothing() && !p.resumed && !p.adopted {
		r.journal.Sent = append(r.journal.Sent, p.sent)
		if err := r.journal.write(); err != nil {
			return fmt.Errorf("the journal of replayed files: %w", err)
		}
	}
	stats := producer.Stats{}
	if !f.Nothing() {
		if stats, err = r.deliver(ctx, p); err != nil {
			return err
		}
		if p.sent.End, err = kafkaio.Ends(r.cluster, r.topic); err != nil {
			return err
		}
		if p.adopted {
			r.journal.Sent = append(r.journal.Sent, p.sent)
		}
		r.journal.Sent[len(r.journal.Sent)-1] = p.sent
		if err := r.journal.write(); err != nil {
			return fmt.Errorf("the journal of replayed files: %w", err)
		}
	}
	fmt.Fprintf(r.w, "%s records sent to topic %s in %s (%s were there already)\n",
		number(stats.Delivered), r.topic, stats.Elapsed.Round(10*time.Millisecond), number(f.Before+stats.Skipped))
	return nil
}

func (r *replay) deliver(ctx context.Context, p part) (stats producer.Stats, err error) {
	source, err := p.file.Replay(producer.ReplayOptions{Partitions: r.partitions, Legacy: p.sent.Legacy})
	if err != nil {
		return stats, err
	}
	bar := newProgress(r.w, "to Kafka")
	stats, err = producer.Deliver(ctx, r.cluster, r.topic, source, producer.DeliverOptions{SkipExisting: true, SkipFrom: p.sent.Start, Progress: bar.update})
	bar.end()
	if closeErr := source.Close(); err == nil {
		err = closeErr
	}
	if err != nil && p.adopted && ctx.Err() == nil {
		err = fmt.Errorf("topic %s has records, and no file that this version has sent: %w. Use another folder with --data", r.topic, err)
	}
	return stats, err
}
