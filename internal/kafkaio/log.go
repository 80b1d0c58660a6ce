package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Log holds what an earlier read has read of a topic, to be read again in
// place of Kafka (Options.Log), with high event times raised as they were.
type Log interface {
	// Extent says what the log holds and where a read of it ends.
	Extent(ctx context.Context) (Extent, error)
	// Records yields a partition's records from an offset on, in offset order,
	// with all but what the source derives (Time, High, Late). The sequence ends
	// after the first error. It is called from several goroutines.
	Records(ctx context.Context, partition int32, from int64) iter.Seq2[[]Record, error]
}

// Extent is a read of a Log.
type Extent struct {
	TopicID    string
	Partitions []LogPartition // by partition
	// Final is the last mark of the earlier read, or nil. The new read ends with
	// it, and reports no watermark as high before: what was final then is final
	// again, and a later read goes on from the same positions.
	Final *Mark
}

// LogPartition is one partition of an Extent.
type LogPartition struct {
	Partition int32
	Start     int64   // the first offset of the whole read
	Next      int64   // the log has all records from Start up to here
	End       int64   // read up to here: from Next on, from Kafka
	Raises    []Raise // by offset
}

// OpenLog opens a Log by what Options.LogArg says.
type OpenLog = func(ctx context.Context, arg string) (Log, error)

var logKinds = map[string]OpenLog{}

// RegisterLog makes a kind of Log known by a name that can be encoded into a
// graph. Call it in an init function, so that workers know it too.
func RegisterLog(name string, open OpenLog) { logKinds[name] = open }

// replay is an open Log.
type replay struct {
	log    Log
	extent Extent
}

// openLog returns nil where the options name no log.
func openLog(ctx context.Context, o *Options) (*replay, error) {
	if o.Log == "" {
		return nil, nil
	}
	open := logKinds[o.Log]
	if open == nil {
		return nil, fmt.Errorf("kafkaio.Read: no log is registered as %q", o.Log)
	}
	log, err := open(ctx, o.LogArg)
	if err != nil {
		return nil, err
	}
	extent, err := log.Extent(ctx)
	if err != nil {
		return nil, err
	}
	return &replay{log, extent}, nil
}

// tail reports whether the read goes on in Kafka where the log ends.
func (p *replay) tail() bool {
	return slices.ContainsFunc(p.extent.Partitions, func(q LogPartition) bool { return q.Next < q.End })
}

func (p *replay) part(id int32) *LogPartition {
	for i := range p.extent.Partitions {
		if p.extent.Partitions[i].Partition == id {
			return &p.extent.Partitions[i]
		}
	}
	return nil
}

// state is the state in which a read of the log begins. It finds out whether
// Kafka has what is to be read of it.
func (p *replay) state(o *Options) (st restriction, err error) {
	st = restriction{Groups: 1, Watermark: NoTime, TopicID: p.extent.TopicID}
	for _, q := range p.extent.Partitions {
		st.Parts = append(st.Parts, partState{ID: q.Partition, Start: q.Start, Next: q.Start, Read: q.Start, End: q.End, High: NoTime})
	}
	if !p.tail() {
		return st, nil
	}
	client, err := o.Cluster.NewClient()
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	if err := sameTopic(client, o.Topic, st.TopicID); err != nil {
		return st, err
	}
	if st.Stamped, err = stamped(client, o.Topic); err != nil {
		return st, err
	}
	for _, q := range p.extent.Partitions {
		if q.Next < q.End {
			if err := checkRange(client, o.Topic, q.Partition, q.Next, q.End); err != nil {
				return st, err
			}
		}
	}
	return st, nil
}

// raise prepares a partition for its records up to next: the raises among them
// are those of the earlier read, and no others.
func (p *replay) raise(part *partState, next int64) {
	for _, r := range p.part(part.ID).Raises {
		if part.Next <= r.Offset && r.Offset < next {
			part.Raises = append(part.Raises, r)
		}
	}
	part.Read = next
}

// holds reports whether a watermark is not to be reported: the read ends with
// the one of Final, and a log without has none that was final.
func (p *replay) holds(watermark int64) bool {
	return p.extent.Final == nil || watermark >= p.extent.Final.Watermark
}

// mark is the mark that ends the read, or nil. It has the positions of the
// earlier one, and all raises since the mark before and up to them.
func (p *replay) mark(w Windowing, st *restriction) *Mark {
	if p.extent.Final == nil {
		return nil
	}
	m := *p.extent.Final
	m.Partitions = slices.Clone(m.Partitions)
	m.Clock = clockVersion
	read := st.mark(w, m.Watermark)
	for i := range m.Partitions {
		q := &m.Partitions[i]
		q.Raises, q.MaxUntil = nil, 0
		for _, r := range read.Partitions {
			if r.Partition == q.Partition {
				q.Raises = slices.DeleteFunc(r.Raises, func(raise Raise) bool { return raise.Offset >= q.Next })
			}
		}
	}
	return &m
}

// replay reads one partition from the log and then, where the read goes on
// there, from Kafka.
func (f *fetcher) replay(ctx context.Context, r *reader, offset int64) {
	part := r.replay.part(f.partition)
	f.told.ends(part.End, part.End, offset)
	send := func(c chunk) {
		select {
		case f.chunks <- c:
			offset = c.next
		case <-ctx.Done():
		}
	}
	fail := func(err error) {
		if ctx.Err() == nil {
			err = fmt.Errorf("partition %d from offset %d: %w", f.partition, offset, err)
			f.failed.Store(&err)
		}
		close(f.done)
	}
	if offset < part.Next {
		for records, err := range r.replay.log.Records(ctx, f.partition, offset) {
			if err != nil || ctx.Err() != nil {
				fail(err)
				return
			}
			for i := range records {
				f.setTime(&records[i])
			}
			if n := len(records); n > 0 {
				send(chunk{records, records[n-1].Offset + 1})
			}
		}
	}
	if offset < part.Next { // a gap at its end
		send(chunk{next: part.Next})
	}
	if part.Next == part.End || ctx.Err() != nil {
		close(f.done)
		return
	}
	f.run(ctx, r.client, offset)
}
