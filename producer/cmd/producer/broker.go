package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/broker"
)

func brokerCommand() *cobra.Command {
	var o broker.Options
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Run the embedded broker until Ctrl-C",
		Long: `Run a Kafka broker in this process, on 127.0.0.1, until Ctrl-C. It is for
trying shopstream out, not for production data: one node, no replication.

With --data it keeps its topics in that folder; what it has acknowledged
survives even kill -9. Without, they are gone when it ends.`,
		Example: `  producer broker --data ./kafka
  producer broker --data ./kafka --port 19092`,
		Args: cobra.NoArgs,
	}
	fl := cmd.Flags()
	fl.StringVar(&o.Dir, "data", "", "folder to keep topics in (default: memory only)")
	fl.IntVar(&o.Port, "port", 9092, "port on 127.0.0.1 (0: any free one)")
	fl.IntVar(&o.Partitions, "partitions", 4, "partitions of topics that clients create without saying")
	fl.BoolVar(&o.Sync, "sync", false, "write every batch through to the disk: survives a power cut, slower")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		b, err := broker.Start(o)
		switch {
		case err != nil && (o.Port < 0 || o.Port > 65535):
			return mistake{err}
		case err != nil:
			return err
		}
		say(cmd.OutOrStdout(), b, o.Dir)
		<-cmd.Context().Done()
		return b.Close()
	}
	return cmd
}

func say(w io.Writer, b *broker.Broker, dir string) {
	where := "in memory"
	if dir != "" {
		where = "data in " + dir
	}
	fmt.Fprintf(w, "%s\nlistening on %s, %s; Ctrl-C ends it\n", broker.Notice, b.Addrs()[0], where)
}
