package sql

import (
	"math/big"
	"strconv"
	"time"

	"cloud.google.com/go/civil"
	"example.com/shopstream/internal/warehouse"
)

// Text is a value of an answer as text, exact and with no more digits than
// needed; NULL is "NULL".
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return v
	case civil.Date:
		return v.String()
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	case *big.Rat:
		return v.FloatString(scale(v))
	}
	return ""
}

// scale is how many decimals a NUMERIC needs, at most 38.
func scale(r *big.Rat) int {
	// A NUMERIC is a whole number over a power of ten: its reduced denominator
	// has no factors but 2 and 5, each at most as often as there are decimals.
	n, _ := r.FloatPrec()
	return min(n, 38)
}

func numeric(t warehouse.Type) bool {
	return t == warehouse.Int64 || t == warehouse.Float64 || t == warehouse.Numeric
}
