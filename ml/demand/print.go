package demand

import (
	"fmt"
	"io"
	"text/tabwriter"

	"example.com/shopstream/ml/forecast"
)

// Write prints the shop's forecast and what was written.
func (p *Predicted) Write(w io.Writer) error {
	fmt.Fprintf(w, "Forecast of the shop from %v, by version %s of %s\n\n", p.Origin, p.Versions[0], p.Model)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "day\tunits\t80 %%\trevenue %s\t80 %%\t\n", p.Currency)
	lines := map[forecast.Target][]forecast.Line{}
	for _, l := range p.Outlooks[p.Versions[0]].Lines {
		if l.Level == forecast.Shop {
			lines[l.Target] = append(lines[l.Target], l)
		}
	}
	for i, units := range lines[forecast.Units] {
		revenue := lines[forecast.Revenue][i]
		fmt.Fprintf(t, "%s %v\t%.0f\t%s\t%.2f\t%s\t\n", units.Day.Weekday().String()[:3], units.Day, units.Mean, between(units), revenue.Mean, between(revenue))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d rows for %d days: every product, every category and the shop, in units and in revenue.\n", p.Rows, p.Horizon)
	for _, f := range p.SortedFallbacks() {
		fmt.Fprintf(w, "%d rows are of a simpler forecast: %s.\n", p.Fallbacks[f], f)
	}
	return nil
}

// between is a line's interval of 80 %.
func between(l forecast.Line) string {
	if known(l.Lower80) == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f to %.0f", l.Lower80, l.Upper80)
}
