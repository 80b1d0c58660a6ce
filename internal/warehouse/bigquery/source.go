package bigquery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"cloud.google.com/go/bigquery"
	"github.com/parquet-go/parquet-go"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/warehouse"
)

// source is what a load job reads: files of a bucket where they are, or the
// content of a local lake's files, which the job's request carries.
type source struct {
	uris []string
	data []byte
}

func (s source) upload() bool { return s.data != nil }

// load describes the source to a job.
func (s source) load(t warehouse.Table) bigquery.LoadSource {
	config := bigquery.FileConfig{SourceFormat: bigquery.Parquet, Schema: schema(t)}
	if s.upload() {
		r := bigquery.NewReaderSource(bytes.NewReader(s.data))
		r.FileConfig = config
		return r
	}
	r := bigquery.NewGCSReference(s.uris...)
	r.FileConfig = config
	return r
}

// maxURIs is how many files a load job may name.
const maxURIs = 10_000

func readSource(ctx context.Context, files []warehouse.File) (source, error) {
	if len(files) == 0 || len(files) > maxURIs {
		return source{}, fmt.Errorf("expected 1 to %d files, found %d", maxURIs, len(files))
	}
	var s source
	for _, f := range files {
		if f.Lake != files[0].Lake {
			return source{}, fmt.Errorf("expected files of one lake, found some of %s and of %s", files[0].Lake, f.Lake)
		}
		if strings.Contains(f.Name, "*") {
			return source{}, fmt.Errorf("file %s: BigQuery takes * for any text: rename it", f.Name)
		}
		if strings.HasPrefix(f.Lake, "gs://") {
			s.uris = append(s.uris, strings.TrimSuffix(f.Lake, "/")+"/"+f.Name)
		}
	}
	if s.uris != nil {
		return s, nil
	}
	return readLocal(ctx, files)
}

// readLocal reads files of a local lake, several as one: a request carries one.
func readLocal(ctx context.Context, files []warehouse.File) (s source, err error) {
	st, err := lake.OpenStore(ctx, files[0].Lake)
	if err != nil {
		return source{}, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	var parts [][]byte
	for _, f := range files {
		data, err := st.Get(ctx, f.Name)
		if err != nil {
			return source{}, err
		}
		if sum := sha256.Sum256(data); f.Hash != "" && f.Hash != hex.EncodeToString(sum[:]) {
			return source{}, fmt.Errorf("file %s of %s: expected content with SHA-256 %s, found %x: it was replaced meanwhile: publish the date again", f.Name, f.Lake, f.Hash, sum)
		}
		parts = append(parts, data)
	}
	if len(parts) == 1 {
		return source{data: parts[0]}, nil
	}
	merged, err := mergeParquet(parts)
	if err != nil {
		return source{}, fmt.Errorf("files of %s from %s on: %w", files[0].Lake, files[0].Name, err)
	}
	return source{data: merged}, nil
}

// mergeParquet makes one file of the rows of several with one schema.
func mergeParquet(parts [][]byte) ([]byte, error) {
	var (
		out bytes.Buffer
		w   *parquet.GenericWriter[any]
	)
	for i, part := range parts {
		f, err := parquet.OpenFile(bytes.NewReader(part), int64(len(part)))
		if err != nil {
			return nil, fmt.Errorf("file %d: %w", i+1, err)
		}
		if w == nil {
			w = parquet.NewGenericWriter[any](&out, f.Schema(), parquet.Compression(&parquet.Zstd))
		}
		for _, g := range f.RowGroups() {
			if _, err := w.WriteRowGroup(g); err != nil {
				return nil, fmt.Errorf("file %d: %w", i+1, err)
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
