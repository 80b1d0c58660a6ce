package main

import (
	"flag"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
)

// bind gives a command the flags of these configuration keys, and --config.
func bind(cmd *cobra.Command, keys ...string) *config.Loader {
	set := flag.NewFlagSet(cmd.Name(), flag.ContinueOnError)
	l := config.Bind(set, keys...)
	cmd.Flags().AddGoFlagSet(set)
	return l
}

func clusterOf(k config.Kafka) kafkaio.Cluster {
	return kafkaio.Cluster{
		Brokers: k.Brokers, TLS: k.TLS, CAFile: k.CAFile, SASL: k.SASL, User: k.User, PasswordFile: k.PasswordFile,
	}
}
