package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

type replayFlags struct {
	format  string
	rate    float64
	speedup float64
	count   int64
	resume  bool
}

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Send the events of a file",
		Long: `Send the events of a file, also one compressed with gzip:

  online-retail  UCI Online Retail as CSV. A line is an order line, of a C
                 invoice a cancellation; lines without a price are sent too, and
                 become dead letters. Times are taken as UTC. Categories are
                 derived from the descriptions.
  otto           OTTO recommender sessions, JSON Lines, sorted by time. The
                 data has no prices: those sent are synthetic.
  events         our own events, JSON Lines, passed on as they are.

A file with records that are more than 30 s behind others before them, such as
one that has the newest first, is sent in order of time; that takes 16 bytes of
memory a record and, if it is compressed, a temporary file.

Event ids follow from the file's content: the same file gives the same records,
so --resume can go on where a run was cut off.`,
		Example: `  producer replay online_retail.csv.gz
  producer replay events.jsonl --format events --rate 1000
  producer replay online_retail.csv.gz --speedup 86400      # a day a second
  producer replay online_retail.csv.gz --resume`,
		Args: cobra.ExactArgs(1),
	}
	loader := bind(cmd, "kafka.brokers", "kafka.topic", "kafka.partitions")
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "auto", "online-retail, otto, events, or auto: by the file's content")
	fl.Float64Var(&f.rate, "rate", 0, "records a second (0: as fast as possible)")
	fl.Float64Var(&f.speedup, "speedup", 0, "keep the file's own pace, that much faster (0: don't)")
	fl.Int64Var(&f.count, "count", 0, "end after that many records (0: the whole file)")
	fl.BoolVar(&f.resume, "resume", false, "leave out what the topic already holds of this file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loader.Load()
		if err != nil {
			return err
		}
		return replay(cmd.Context(), cfg, args[0], f, cmd.ErrOrStderr())
	}
	return cmd
}

func replay(ctx context.Context, cfg config.Config, path string, f replayFlags, stderr io.Writer) error {
	format, err := producer.ParseFormat(f.format)
	if err != nil {
		return mistake{err}
	}
	if format == "" {
		if format, err = producer.Recognise(path); err != nil {
			return mistake{err}
		}
	}
	cluster := clusterOf(cfg.Kafka)
	partitions, err := kafkaio.EnsureTopic(ctx, cluster, cfg.Kafka.Topic, cfg.Kafka.Partitions)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "replaying %s (%s) into topic %s, %d partitions\n", path, format, cfg.Kafka.Topic, partitions)
	src, err := producer.Open(path, producer.ReplayOptions{Format: format, Partitions: partitions})
	if err != nil {
		return err
	}
	err = deliver(ctx, cluster, cfg.Kafka.Topic, src, producer.DeliverOptions{
		Rate: f.rate, Speedup: f.speedup, Limit: f.count, SkipExisting: f.resume,
	}, stderr)
	return errors.Join(err, src.Close())
}
