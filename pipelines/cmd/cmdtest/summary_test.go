//go:build unix

package cmdtest

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestLocalSaysWhatGoldSays: the revenue that a run with late events ends with is
// that of SQL, a day that the shop stopped in is open, and a run of gold after it
// changes neither.
func TestLocalSaysWhatGoldSays(t *testing.T) {
	// Late events are an hour late or more, and at UTC's first midnight in the first
	// business day or after it: there is no such time around midnight.
	now, zone := time.Now().UTC(), midday()
	canBeLate := now.Hour() >= 2 && now.Add(10*time.Minute).Day() == now.Day()
	if canBeLate {
		zone = "UTC"
	}
	data := t.TempDir()
	lake := filepath.Join(data, "lake")
	r := must(t, "local", "--data="+data, "--history-days=0", "--forecast=false", "--rate=300", "--duration=4s", "--late=0.2", "--time-zone="+zone)
	ask := func() string {
		t.Helper()
		text := must(t, "sql", "query", "--lake="+lake, "--format=csv",
			"SELECT CAST(ROUND(SUM(revenue), 2) AS STRING) AS revenue, SUM(order_lines) AS order_lines, LOGICAL_AND(complete) AS complete FROM daily_sales WHERE currency = 'EUR' AND NOT complete").stdout
		return strings.TrimSpace(strings.ReplaceAll(text, "\r", ""))
	}
	said := regexp.MustCompile(`\nRevenue: EUR ([0-9,.]+) from ([0-9,]+) order lines .*\nThat is the table daily_sales .*, late events included; EUR ([0-9,.]+) of it are of .*, which is not over\.\n`).FindStringSubmatch(r.stdout)
	if said == nil {
		t.Fatalf("no revenue:\n%s", r.stdout)
	}
	if canBeLate && regexp.MustCompile(` \+ 0 late\.`).MatchString(r.stdout) {
		t.Fatal("nothing is late")
	}
	plain := func(s string) string { return strings.ReplaceAll(s, ",", "") }
	answer := ask()
	rows := strings.Split(answer, "\n")
	if len(rows) != 2 {
		t.Fatalf("expected a row: %q", answer)
	}
	columns := strings.Split(rows[1], ",")
	if got := strings.TrimRight(columns[0], "0"); got != strings.TrimRight(plain(said[3]), "0") || columns[2] != "false" {
		t.Errorf("SQL says %q, local %q", answer, said[0])
	}
	must(t, "gold", "--lake="+lake, "--time-zone="+zone)
	if after := ask(); after != answer {
		t.Errorf("gold has made %q of %q", after, answer)
	}
}
