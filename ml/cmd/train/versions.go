package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/demand"
	"example.com/shopstream/ml/registry"
)

// program is what the commands share.
type program struct {
	settings *demand.Settings
	name     string
}

func (p *program) register(c *cobra.Command) {
	p.settings = demand.Bind(c, "lake", "forecast", "log")
	c.PersistentFlags().StringVar(&p.name, "model", demand.ModelName, "name of the model")
}

// with calls do with the registry of the lake.
func (p *program) with(c *cobra.Command, do func(ctx context.Context, r *registry.Registry) error) (err error) {
	st, _, err := p.settings.Open(c.Context(), c.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return do(c.Context(), registry.Open(lake.Root(st)))
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// listed is a version in a list.
type listed struct {
	registry.Manifest
	Role string `json:"role"` // champion, challenger, or empty
}

func (p *program) list() *cobra.Command {
	var format string
	c := &cobra.Command{Use: "list", Short: "List the versions, oldest first", Args: demand.Arguments(cobra.NoArgs)}
	c.Flags().StringVar(&format, "format", "table", "table or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkFormat(format); err != nil {
			return err
		}
		return p.with(c, func(ctx context.Context, r *registry.Registry) error {
			versions, err := r.List(ctx, p.name)
			if err != nil && !errors.Is(err, registry.ErrCorrupt) {
				return err
			}
			pointer, pointerErr := r.Newest(ctx, p.name)
			if pointerErr != nil {
				return pointerErr
			}
			out := []listed{}
			for _, m := range versions {
				out = append(out, listed{m, role(pointer, m.Version)})
			}
			if format == "json" {
				return errors.Join(writeJSON(c.OutOrStdout(), out), err)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "version\trole\tkind\tdata\tWAPE\tbias\tMASE")
			for _, l := range out {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s to %s\t%.3f\t%+.3f\t%.3f\n", l.Version, l.Role, l.Kind, l.DataFrom, l.DataTo, l.Metrics["wape"], l.Metrics["bias"], l.Metrics["mase"])
			}
			return errors.Join(w.Flush(), err)
		})
	}
	return c
}

func role(p registry.Pointer, version string) string {
	switch version {
	case p.Champion:
		return "champion"
	case p.Challenger:
		return fmt.Sprintf("challenger of %.0f %%", 100*p.Share)
	}
	return ""
}

func (p *program) show() *cobra.Command {
	return &cobra.Command{
		Use: "show [VERSION]", Short: "Print the manifest of a version, by default the champion's, as JSON", Args: demand.Arguments(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return p.with(c, func(ctx context.Context, r *registry.Registry) error {
				m, err := demand.Resolve(ctx, r, p.name, strings.Join(args, ""))
				if err != nil {
					return err
				}
				return writeJSON(c.OutOrStdout(), m)
			})
		},
	}
}

func (p *program) diff() *cobra.Command {
	return &cobra.Command{
		Use: "diff A B", Short: "Say what differs between two versions", Args: demand.Arguments(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return p.with(c, func(ctx context.Context, r *registry.Registry) error {
				var both [2]registry.Manifest
				for i, version := range args {
					var err error
					if both[i], err = demand.Resolve(ctx, r, p.name, version); err != nil {
						return err
					}
				}
				w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, change := range registry.Diff(both[0], both[1]) {
					fmt.Fprintf(w, "%s\t%s\t%s\n", change.Field, change.A, change.B)
				}
				return w.Flush()
			})
		},
	}
}

func (p *program) promote() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "promote VERSION", Short: "Make a version the champion", Args: demand.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			return p.with(c, func(ctx context.Context, r *registry.Registry) error {
				return told(c, p.name)(r.Promote(ctx, p.name, args[0], reason))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "by hand", "why, for the history")
	return c
}

func (p *program) rollback() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "rollback", Short: "Make the champion before this one the champion again", Args: demand.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.with(c, func(ctx context.Context, r *registry.Registry) error {
				return told(c, p.name)(r.Rollback(ctx, p.name, reason))
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "by hand", "why, for the history")
	return c
}

func (p *program) challenge() *cobra.Command {
	var reason string
	var share float64
	c := &cobra.Command{
		Use: "challenge [VERSION]", Short: "Let a version answer a share of requests; without one, end that", Args: demand.Arguments(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				share = 0
			}
			return p.with(c, func(ctx context.Context, r *registry.Registry) error {
				return told(c, p.name)(r.SetChallenger(ctx, p.name, strings.Join(args, ""), share, reason))
			})
		},
	}
	c.Flags().Float64Var(&share, "share", 0.5, "share of requests, above 0 and below 1")
	c.Flags().StringVar(&reason, "reason", "by hand", "why, for the history")
	return c
}

// told prints the pointer after a change.
func told(c *cobra.Command, name string) func(registry.Pointer, error) error {
	return func(p registry.Pointer, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "The champion of %s is %s.\n", name, p.Champion)
		if p.Challenger != "" {
			fmt.Fprintf(c.OutOrStdout(), "%s answers %.0f %% of requests.\n", p.Challenger, 100*p.Share)
		}
		return nil
	}
}
