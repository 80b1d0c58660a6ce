package pipelines

import (
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"

	"example.com/shopstream/internal/kafkaio"
)

// TestFlinkRefuses: what a cluster would only show in its logs, or never, is
// said before a job is submitted.
func TestFlinkRefuses(t *testing.T) {
	set := func(v *string, to string) {
		was := *v
		*v = to
		t.Cleanup(func() { *v = was })
	}
	base := options(kafkaio.Cluster{Brokers: []string{"127.0.0.1:1"}}, "/data/lake")
	base.Flink = FlinkOptions{Parallelism: 2}
	for want, change := range map[string]func(o *StreamingOptions){
		"":                                       func(*StreamingOptions) {},
		"needs the address of Beam's job server": func(*StreamingOptions) { set(jobopts.Endpoint, "") },
		"expected PROCESS":                       func(*StreamingOptions) { set(jobopts.EnvironmentType, "DOCKER") },
		"name it with --environment_config":      func(*StreamingOptions) { set(jobopts.EnvironmentConfig, "") },
		"takes both or none":                     func(o *StreamingOptions) { o.Flink.StateBackend = "rocksdb" },
		`lake "lake": workers on other machines`: func(o *StreamingOptions) { o.Lake = "lake" },
		`kafka.password_file "secret": workers`:  func(o *StreamingOptions) { o.Source.Cluster.PasswordFile = "secret" },
		`kafka.ca_file "ca.pem": workers`:        func(o *StreamingOptions) { o.Source.Cluster.CAFile = "ca.pem" },
	} {
		set(jobopts.Endpoint, "localhost:8099")
		set(jobopts.EnvironmentType, "PROCESS")
		set(jobopts.EnvironmentConfig, `{"command":"/opt/boot"}`)
		o := base
		change(&o)
		err := o.For(Flink)
		if want == "" {
			if err != nil || o.Source.Groups != 2 || o.Source.IdleSlice == 0 || o.Source.Budget != 0 {
				t.Errorf("%v; the source: %+v", err, o.Source)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
