package config

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Usage prints a program's help: intro, then the flags of the configuration
// and those named in own, which come first. Flags that libraries register on
// the same set are left out.
func (l *Loader) Usage(w io.Writer, set *flag.FlagSet, intro string, own ...string) error {
	names := slices.Clone(own)
	for _, v := range l.flags {
		names = append(names, v.field.flag)
	}
	names = append(names, "config")
	if _, err := fmt.Fprintf(w, "%s\nFlags:\n", intro); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range names {
		f := set.Lookup(name)
		if f == nil {
			return fmt.Errorf("usage: no flag --%s", name)
		}
		kind, help := flag.UnquoteUsage(f)
		if kind == "value" {
			kind = ""
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" && name != "config" {
			def = fmt.Sprintf(" (default %s)", f.DefValue)
		}
		if _, err := fmt.Fprintf(tw, "  --%s %s\t%s%s\n", name, kind, help, def); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, "\nEvery setting can also stand in config.yaml or in the environment (SHOPSTREAM_KAFKA_BROKERS=…);\na flag wins over the environment, the environment over the file. \"config show\" lists all with their origins.\n")
	return err
}
