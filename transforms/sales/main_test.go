package sales

import (
	"os"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/prism"
)

func TestMain(m *testing.M) {
	beam.Init()
	os.Exit(prism.Tests(m))
}
