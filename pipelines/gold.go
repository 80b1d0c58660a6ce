package pipelines

import (
	"log/slog"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/transforms/sales"
)

func init() { beam.RegisterDoFn(&outcomeFn{}) }

// Gold builds the batch job that makes gold's tables of some business days:
// silver and late events, each once, to daily_sales, category_revenue,
// hourly_sales, funnel_daily, order_lines and product_catalogue, held to their quality rules
// and published a day at a time.
func Gold(s beam.Scope, j GoldJob) {
	outcomes := sales.Publish(s, j.Files, j.Plan, j.Rules, j.Read)
	end(s, beam.ParDo(s, &outcomeFn{}, outcomes))
}

// outcomeFn logs how a day has ended. The lake says so, too.
type outcomeFn struct{}

func (outcomeFn) ProcessElement(outcome string, emit func(int64)) {
	slog.Debug("gold", "outcome", outcome)
	emit(1)
}
