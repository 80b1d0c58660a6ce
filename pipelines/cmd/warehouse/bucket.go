package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/gcs"
)

func bucketCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bucket", Short: "Copy objects, and set how long they are kept"}
	cmd.AddCommand(copyCommand(), lifecycleCommand())
	return cmd
}

func copyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "copy gs://FROM gs://TO",
		Short: "Copy all objects below one URI to below another",
		Long: `Copy all objects below one URI to below another, inside of the service. What is there
with the same content stays, so that a copy that was stopped goes on.

Stop who writes the lake first: a copy of a lake that is written may lack files that
its ledger names.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			for _, uri := range args {
				if _, _, err := gcs.Split(uri); err != nil {
					return mistake{err}
				}
			}
			c, err := gcs.Open(cmd.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, c.Close()) }()
			done, err := c.Copy(cmd.Context(), args[0], args[1], func(o gcs.Object) {
				fmt.Fprintf(cmd.OutOrStdout(), "copied %s (%d bytes)\n", o.Name, o.Size)
			})
			fmt.Fprintf(cmd.OutOrStdout(), "copied %d objects with %d bytes; %d were there\n", done.Objects, done.Bytes, done.Same)
			return err
		},
	}
}

func lifecycleCommand() *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "lifecycle gs://BUCKET",
		Short: "Show a bucket's rules of deleting and moving objects, or set them",
		Long: `Show a bucket's rules of deleting objects and moving them to a cheaper storage class,
or set them. --set replaces all rules of the form PREFIX=ACTION@DAYS; rules with other
conditions stay. Actions: delete, nearline, coldline, archive; the days count from when an
object was written. Silver, gold and the ledger of a lake must never be deleted by age.`,
		Example: `  warehouse bucket lifecycle gs://bucket
  warehouse bucket lifecycle gs://bucket --set lake/bronze/=nearline@30 --set staging/=delete@7`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "a rule, PREFIX=ACTION@DAYS; may be given several times")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		var rules []gcs.Rule
		for _, text := range set {
			rule, err := gcs.ParseRule(text)
			if err != nil {
				return mistake{fmt.Errorf("--set: %w", err)}
			}
			rules = append(rules, rule)
		}
		c, err := gcs.Open(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		if len(rules) > 0 {
			if err := c.SetLifecycle(cmd.Context(), args[0], rules); err != nil {
				return err
			}
		}
		now, others, err := c.Lifecycle(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		slices.SortFunc(now, func(a, b gcs.Rule) int { return strings.Compare(a.String(), b.String()) })
		for _, r := range now {
			fmt.Fprintln(cmd.OutOrStdout(), r)
		}
		if others > 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "and %d rules with other conditions\n", others)
		}
		if len(now)+others == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "no rules: all objects are kept as they are")
		}
		return nil
	}
	return cmd
}
