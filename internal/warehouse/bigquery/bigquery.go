// Package bigquery is the warehouse on BigQuery: partitioned and clustered
// tables from schema files, partitions replaced whole by load jobs, and queries
// with bound parameters.
//
// A load job replaces one partition at once (WRITE_TRUNCATE on table$YYYYMMDD),
// and its id follows from what is published: sent again, it is the same job.
// What changed since the last publication is in the lake's journal (Publisher).
package bigquery

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"cloud.google.com/go/bigquery"
	"google.golang.org/api/option"
	htransport "google.golang.org/api/transport/http"

	"example.com/shopstream/internal/warehouse"
)

// Options say which dataset, and how it is used.
type Options struct {
	Project        string
	Dataset        string
	Location       string            // where the dataset is made, such as EU; "": US, or where it is
	Labels         map[string]string // of tables and jobs, besides app=shopstream
	MaxBytesBilled int64             // a query that would be billed more is refused; 0: no limit
	Endpoint       string            // "": the environment's BIGQUERY_EMULATOR_HOST, else Google's service

	retry retry // zero: defaultRetry
}

// scheme starts the URI of a dataset.
const scheme = "bigquery://"

const uriForm = `bigquery://project/dataset, optionally with ?location=EU&max_bytes_billed=10000000000`

var (
	// Projects of a domain have its name before a colon.
	projectName = regexp.MustCompile(`^([a-z0-9][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	datasetName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	location    = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// ParseURI reads bigquery://project/dataset[?location=EU&max_bytes_billed=N].
func ParseURI(uri string) (Options, error) {
	fail := func(format string, args ...any) (Options, error) {
		return Options{}, fmt.Errorf("warehouse %q: "+format+": expected "+uriForm, append([]any{uri}, args...)...)
	}
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		return fail("it does not start with %s", scheme)
	}
	rest, query, _ := strings.Cut(rest, "?")
	project, dataset, _ := strings.Cut(rest, "/")
	if !projectName.MatchString(project) {
		return fail("%q is not the id of a project", project)
	}
	if !datasetName.MatchString(dataset) {
		return fail("%q is not the name of a dataset (letters, digits and _)", dataset)
	}
	o := Options{Project: project, Dataset: dataset}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		if query == "" {
			break
		}
		key, value, _ := strings.Cut(pair, "=")
		if seen[key] {
			return fail("%s is given twice", key)
		}
		seen[key] = true
		switch key {
		case "location":
			if !location.MatchString(value) {
				return fail("%q is not a location", value)
			}
			o.Location = value
		case "max_bytes_billed":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 1 || value != strconv.FormatInt(n, 10) {
				return fail("max_bytes_billed: %q is not a number of bytes above 0", value)
			}
			o.MaxBytesBilled = n
		default:
			return fail("there is no option %q", key)
		}
	}
	return o, nil
}

// URI is what ParseURI reads: the dataset, without how it is used.
func (o Options) URI() string { return scheme + o.Project + "/" + o.Dataset }

// Warehouse is one dataset. Its methods may be called from many goroutines.
type Warehouse struct {
	o       Options
	client  *bigquery.Client
	dataset *bigquery.Dataset
}

var _ warehouse.Warehouse = (*Warehouse)(nil)

// Open returns the warehouse in a dataset, which need not exist yet. It sends
// no request.
func Open(ctx context.Context, o Options) (*Warehouse, error) {
	if o.Endpoint == "" {
		o.Endpoint = os.Getenv("BIGQUERY_EMULATOR_HOST")
	}
	if o.retry == (retry{}) {
		o.retry = defaultRetry
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	transport := http.RoundTripper(&retrying{base: base, retry: o.retry})
	var opts []option.ClientOption
	if o.Endpoint != "" {
		host := o.Endpoint
		if !strings.Contains(host, "://") {
			host = "http://" + host
		}
		opts = append(opts, option.WithEndpoint(strings.TrimSuffix(host, "/")+"/bigquery/v2/"))
	} else {
		authorized, err := htransport.NewTransport(ctx, transport, option.WithScopes(bigquery.Scope))
		if err != nil {
			return nil, fmt.Errorf("warehouse %s: connect: %w: run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file", o.URI(), err)
		}
		transport = authorized
	}
	client, err := bigquery.NewClient(ctx, o.Project, append(opts, option.WithHTTPClient(&http.Client{Transport: transport}))...)
	if err != nil {
		return nil, fmt.Errorf("warehouse %s: connect: %w", o.URI(), err)
	}
	client.Location = o.Location
	return &Warehouse{o: o, client: client, dataset: client.Dataset(o.Dataset)}, nil
}

// URI names the dataset.
func (w *Warehouse) URI() string { return w.o.URI() }

// Close releases connections.
func (w *Warehouse) Close() error {
	if err := w.client.Close(); err != nil {
		return fmt.Errorf("warehouse %s: close: %w", w.URI(), err)
	}
	return nil
}

// labels are those of everything that is made here.
func (w *Warehouse) labels() map[string]string {
	labels := map[string]string{"app": "shopstream"}
	maps.Copy(labels, w.o.Labels)
	return labels
}
