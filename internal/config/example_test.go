package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exampleFile renders the file at the root of the repository from the tags. Its
// keys are comments, so that it changes nothing by being there: a program that
// has a default of its own keeps it, until somebody sets the key.
func exampleFile() string {
	var b strings.Builder
	b.WriteString(`# Every setting of shopstream, with its default. To change one, delete the "# "
# before it. A flag wins over an environment variable (SHOPSTREAM_KAFKA_TOPIC),
# that wins over this file, and this file over the default.
# ` + "`go test ./internal/config -update`" + ` writes this file from the code.
`)
	section := ""
	for _, f := range fields {
		if f.section != section {
			section = f.section
			fmt.Fprintf(&b, "\n# %s\n%s:\n", f.sectionHelp, section)
		}
		cfg := Default()
		fmt.Fprintf(&b, "  # %-34s # %s\n", f.name+": "+yamlText(f, &cfg), f.help)
	}
	return b.String()
}

const exampleName = "../../config.yaml"

func TestExampleFileIsCurrent(t *testing.T) {
	golden(t, exampleName, []byte(exampleFile()))

	_, cfg, err := load(t, []string{"--config", exampleName}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), cfg); diff != "" {
		t.Errorf("it changes defaults (-default +file):\n%s", diff)
	}
}

// With the "# " deleted each line is a key, and each key has its default.
func TestExampleFileHoldsTheDefaults(t *testing.T) {
	all := regexp.MustCompile(`(?m)^  # `).ReplaceAllString(exampleFile(), "  ")
	inFolder(t, all)
	l, cfg, err := load(t, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), cfg); diff != "" {
		t.Errorf("differs (-default +file):\n%s", diff)
	}
	for _, f := range fields {
		if origin := l.Origin(f.key()); !strings.HasPrefix(origin, "config.yaml:") {
			t.Errorf("%s is not in the file: %s", f.key(), origin)
		}
	}
}
