package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/IBM/sarama"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/producer"
)

type consumeFlags struct {
	from       string
	partitions []int32
	max        int64
	untilEnd   bool
	format     string
	count      bool
	key        string
	eventType  string
	product    string
	match      []string
}

func consumeCommand() *cobra.Command {
	var f consumeFlags
	cmd := &cobra.Command{
		Use:   "consume",
		Short: "Print, filter or count the records of a topic",
		Long: `Print the records of a topic, from a place on, and go on with those that
arrive until Ctrl-C, --max or --until-end. Order holds within a partition.

Several filters must all hold. --match compares a field at the top level of the
value with its text: --match currency=EUR --match quantity=2.`,
		Example: `  producer consume --from latest --format table
  producer consume --until-end --count
  producer consume --from 2026-03-01T00:00:00Z --type order_created --max 10
  producer consume --partition 0 --from 1000 --max 1 --format raw`,
		Args: cobra.NoArgs,
	}
	loader := bind(cmd, "kafka.brokers", "kafka.topic")
	fl := cmd.Flags()
	fl.StringVar(&f.from, "from", "earliest", "earliest, latest, an offset, or an RFC 3339 time (of the Kafka record)")
	fl.Int32SliceVar(&f.partitions, "partition", nil, "only these partitions")
	fl.Int64Var(&f.max, "max", 0, "end after that many records that pass the filters (0: no limit)")
	fl.BoolVar(&f.untilEnd, "until-end", false, "end where the topic ends now")
	fl.StringVar(&f.format, "format", "json", "json (a line with offset, time, key, value), raw (the value; on a terminal with control characters escaped) or table")
	fl.BoolVar(&f.count, "count", false, "print only how many there are, by partition and type")
	fl.StringVar(&f.key, "key", "", "only records with this key")
	fl.StringVar(&f.eventType, "type", "", "only this event_type")
	fl.StringVar(&f.product, "product", "", "only this product_id")
	fl.StringArrayVar(&f.match, "match", nil, "only where `field=value` (repeatable)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loader.Load()
		if err != nil {
			return err
		}
		return consume(cmd.Context(), cfg, f, cmd.OutOrStdout())
	}
	return cmd
}

func consume(ctx context.Context, cfg config.Config, f consumeFlags, stdout io.Writer) error {
	from, err := producer.ParseStart(f.from)
	if err != nil {
		return mistake{err}
	}
	printer, err := producer.ParsePrinter(f.format, isTerminal(stdout))
	if err != nil {
		return mistake{err}
	}
	filter := producer.Filter{Key: f.key}
	if filter.Fields, err = producer.ParseFields(f.match); err != nil {
		return mistake{err}
	}
	if f.eventType != "" {
		filter.Fields["event_type"] = f.eventType
	}
	if f.product != "" {
		filter.Fields["product_id"] = f.product
	}
	o := producer.ConsumeOptions{From: from, Partitions: f.partitions, Max: f.max, UntilEnd: f.untilEnd, Match: filter.Match}
	cluster, topic := clusterOf(cfg.Kafka), cfg.Kafka.Topic
	if f.count {
		var c counts
		if _, err := producer.Consume(ctx, cluster, topic, o, c.add); err != nil {
			return err
		}
		return c.print(stdout)
	}
	out := bufio.NewWriter(stdout)
	if f.format == "table" {
		fmt.Fprintln(out, producer.TableHeader)
	}
	if _, err := producer.Consume(ctx, cluster, topic, o, func(m *sarama.ConsumerMessage) error {
		if err := printer(out, m); err != nil || f.untilEnd {
			return err
		}
		return out.Flush() // somebody may be watching
	}); err != nil {
		return err
	}
	return out.Flush()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// counts of records.
type counts struct {
	all        int64
	partitions map[int32]int64
	types      map[string]int64
}

func (c *counts) add(m *sarama.ConsumerMessage) error {
	if c.partitions == nil {
		c.partitions, c.types = map[int32]int64{}, map[string]int64{}
	}
	c.all++
	c.partitions[m.Partition]++
	var e struct {
		Type string `json:"event_type"`
	}
	if json.Unmarshal(m.Value, &e) != nil || e.Type == "" {
		e.Type = "(no event)"
	}
	c.types[e.Type]++
	return nil
}

func (c *counts) print(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%12s records\n", grouped(c.all))
	for _, p := range slices.Sorted(maps.Keys(c.partitions)) {
		fmt.Fprintf(out, "%12s partition %d\n", grouped(c.partitions[p]), p)
	}
	for _, t := range slices.Sorted(maps.Keys(c.types)) {
		fmt.Fprintf(out, "%12s %s\n", grouped(c.types[t]), producer.Printable(t))
	}
	return out.Flush()
}
