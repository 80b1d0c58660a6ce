package pipelines

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// ParseFlags parses a program's flags together with Beam's, which are all in
// flag.CommandLine. done says that the program ends here with the exit code:
// after --help, whose text help writes to standard output, or a mistake, which
// is one line on standard error.
func ParseFlags(program string, args []string, help func(io.Writer) error) (code int, done bool) {
	set := flag.CommandLine
	set.Init(program, flag.ContinueOnError) // by default it would print all flags, Beam's too, and exit
	set.SetOutput(io.Discard)
	err := set.Parse(args)
	set.SetOutput(os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		if err := help(os.Stdout); err != nil {
			fmt.Fprintf(os.Stderr, "%s: help: %v\n", program, err)
			return 1, true
		}
		return 0, true
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v: see --help\n", program, err)
		return 2, true
	}
	return 0, false
}
