package kafkaio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kfake"
)

// damage is what a line that flips bits does to whatever passes it.
var damage = [2][]byte{[]byte("a record that a disk"), []byte("a record that a d!sk")}

type badLine struct{ net.Listener }

func (l badLine) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return badConn{c}, err
}

type badConn struct{ net.Conn }

func (c badConn) Write(b []byte) (int, error) {
	return c.Conn.Write(bytes.ReplaceAll(b, damage[0], damage[1]))
}

// startDamaged is a broker whose answers have damage in them.
func startDamaged(t *testing.T) (Cluster, *sarama.Broker) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic), kfake.ListenFn(func(network, addr string) (net.Listener, error) {
		l, err := net.Listen(network, addr)
		return badLine{l}, err
	}), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "16777216"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c := Cluster{Brokers: cluster.ListenAddrs()}
	client, err := c.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	leader, err := client.Leader(testTopic, 0)
	if err != nil {
		t.Fatal(err)
	}
	return c, leader
}

// sendBatch sends one record batch of these values.
func sendBatch(t *testing.T, leader *sarama.Broker, codec sarama.CompressionCodec, values ...string) {
	t.Helper()
	b := &sarama.RecordBatch{
		Version: 2, Codec: codec, CompressionLevel: sarama.CompressionLevelDefault, LastOffsetDelta: int32(len(values) - 1),
		FirstTimestamp: time.UnixMilli(7_000_000), MaxTimestamp: time.UnixMilli(7_000_000), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
	}
	for i, v := range values {
		b.Records = append(b.Records, &sarama.Record{OffsetDelta: int64(i), Value: []byte(v)})
	}
	req := &sarama.ProduceRequest{Version: 7, RequiredAcks: sarama.WaitForAll, Timeout: 10_000}
	req.AddBatch(testTopic, 0, b)
	resp, err := leader.Produce(req)
	if err != nil {
		t.Fatal(err)
	}
	if block := resp.GetBlock(testTopic, 0); block == nil || block.Err != sarama.ErrNoError {
		t.Fatalf("the broker refuses the batch: %+v", block)
	}
}

// Batches that decompress to too much, or are damaged, become one record each,
// and what is before, between and behind them is read; the same from every
// start.
func TestBadBatches(t *testing.T) {
	c, leader := startDamaged(t)
	bomb := "1000|" + strings.Repeat("shop", 1<<20)
	var want []string
	next := 0
	good := func(codec sarama.CompressionCodec) {
		sendBatch(t, leader, codec, fmt.Sprintf("%d|a", 1000+next), fmt.Sprintf("%d|b", 1001+next))
		want = append(want, fmt.Sprintf("%d: %d|a", next, 1000+next), fmt.Sprintf("%d: %d|b", next+1, 1001+next))
		next += 2
	}
	bad := func(codec sarama.CompressionCodec, kind, says string, values ...string) {
		sendBatch(t, leader, codec, values...)
		next += len(values)
		want = append(want, fmt.Sprintf("%d: %s the batch of offsets %d to %d, %d records, # bytes (%s) %s", next-1, kind, next-len(values), next-1, len(values), codec, says))
	}
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD} {
		good(codec)
		bad(codec, BatchTooLarge, "decompresses to more than kafka.max_batch_bytes, 1048576", "1000|first", bomb, "1000|last")
	}
	good(sarama.CompressionNone)
	bad(sarama.CompressionNone, BatchDamaged, "has a wrong checksum", "1000|"+string(damage[0]), "1000|intact")
	bad(sarama.CompressionNone, BatchDamaged, "has a wrong checksum", "1000|"+string(damage[0])) // one behind the other
	good(sarama.CompressionNone)

	o := Options{Cluster: c, Bounded: true, BatchBytes: 1 << 20}
	read := func(from int64) []string {
		o.Start = Start{Offsets: map[int32]int64{0: from}}
		j := startJob(t, o)
		j.wait(t)
		var got []string
		for _, r := range j.records()[0] {
			text := string(r.Value)
			if kind, detail, ok := BadBatch(&r); ok {
				text = kind + " " + detail
				if r.Time != NoTime || r.Timestamp != 7_000_000 {
					t.Errorf("%+v has a time", r)
				}
			}
			got = append(got, fmt.Sprintf("%d: %s", r.Offset, text))
		}
		return got
	}
	withoutSize := func(lines []string) []string {
		out := make([]string, len(lines))
		for i, l := range lines {
			before, rest, found := strings.Cut(l, " records, ")
			if out[i] = l; found {
				_, after, _ := strings.Cut(rest, " bytes")
				out[i] = before + " records, # bytes" + after
			}
		}
		return out
	}
	all := read(0)
	if diff := cmp.Diff(want, withoutSize(all)); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
	for _, from := range []int64{2, 3, 4, 5} { // within and behind the first bomb
		at := 2
		if from == 5 {
			at = 3
		}
		if diff := cmp.Diff(all[at:], read(from)); diff != "" {
			t.Errorf("from offset %d (-want +got):\n%s", from, diff)
		}
	}
	o.StopAtBadBatch, o.Start = true, Start{}
	wantText(t, startJob(t, o).fails(t), `topic "events", partition 0: the batch of offsets 2 to 4, 3 records`, "decompresses to more than", "kafka.undecodable: dead-letter")
}

// header is a record batch that says it has offsets first to last.
func header(first int64, delta int32, body []byte, edit func([]byte)) []byte {
	b := make([]byte, batchHeader, batchHeader+len(body))
	be := binary.BigEndian
	be.PutUint64(b, uint64(first))
	be.PutUint32(b[8:], uint32(batchHeader-batchPrefix+len(body)))
	b[16] = 2
	be.PutUint32(b[23:], uint32(delta))
	b = append(b, body...)
	be.PutUint32(b[17:], crc32.Checksum(b[crcFrom:], castagnoli))
	if edit != nil {
		edit(b)
	}
	return b
}

func TestParseBadBatch(t *testing.T) {
	whole := header(10, 4, []byte("body"), nil)
	for name, tt := range map[string]struct {
		raw         []byte
		offset, end int64
		why         error
		kind, fails string
	}{
		"too large":                 {whole, 10, 15, sarama.ErrDecompressedBatchTooLarge, BatchTooLarge, ""},
		"window too large":          {whole, 10, 15, fmt.Errorf("x: %w", zstd.ErrWindowSizeExceeded), BatchTooLarge, ""},
		"in its middle":             {whole, 14, 15, nil, BatchDamaged, ""},
		"another behind it":         {append(whole[:len(whole):len(whole)], whole...), 12, 40, nil, BatchDamaged, ""},
		"checksum":                  {header(10, 4, []byte("body"), func(b []byte) { b[62]++ }), 10, 15, sarama.ErrDecompressedBatchTooLarge, BatchDamaged, ""},
		"nothing":                   {nil, 10, 15, nil, "", "ends within"},
		"cut":                       {whole[:len(whole)-1], 10, 15, nil, "", "ends within"},
		"of other offsets":          {whole, 15, 20, nil, "", "header"},
		"behind the end of the log": {whole, 10, 14, nil, "", "header"},
		"offsets that go back":      {header(10, -1, nil, nil), 10, 15, nil, "", "header"},
		"offsets without end":       {header(10, 1<<30, nil, nil), 10, 15, nil, "", "header"},
		"of another format":         {header(10, 4, nil, func(b []byte) { b[16] = 3 }), 10, 15, nil, "", "header"},
		"no length":                 {header(10, 4, nil, func(b []byte) { b[11] = 3 }), 10, 15, nil, "", "header"},
		"negative length":           {header(10, 4, nil, func(b []byte) { b[8] = 255 }), 10, 15, nil, "", "header"},
	} {
		b, err := parseBadBatch(tt.raw, tt.offset, tt.end, tt.why, 64)
		switch {
		case tt.fails == "" && (err != nil || b.kind != tt.kind || b.LastOffset() != 14):
			t.Errorf("%s: %+v, %v", name, b, err)
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
			t.Errorf("%s: %v, want an error that says %q", name, err, tt.fails)
		}
	}
}

// FuzzParseBadBatch: whatever is sent, what stands for it lies where it was
// asked for, and moves the reader on.
func FuzzParseBadBatch(f *testing.F) {
	f.Add(header(10, 4, []byte("body"), nil), int64(10), int64(15))
	f.Add(header(10, 4, nil, nil), int64(14), int64(100))
	f.Add([]byte{}, int64(0), int64(1))
	f.Fuzz(func(t *testing.T, raw []byte, offset, end int64) {
		b, err := parseBadBatch(raw, offset, end, errors.New("x"), 1)
		if err != nil {
			return
		}
		r := b.record()
		if r.Offset < offset || r.Offset >= end {
			t.Errorf("asked for %d in a log that ends at %d: %+v", offset, end, r)
		}
		if _, _, ok := BadBatch(&r); !ok {
			t.Errorf("%+v is not recognized", r)
		}
	})
}

// What a producer sends itself is not taken for what stands for a batch, unless
// it has no value, and so is no event either.
func TestBadBatchRecognized(t *testing.T) {
	h := []Header{{Key: BatchDamaged, Value: []byte("x")}}
	for _, tt := range []struct {
		r    Record
		want bool
	}{
		{Record{Headers: h}, true},
		{Record{Headers: h, Value: []byte{}}, false},
		{Record{Headers: h, Key: []byte("k")}, false},
		{Record{Headers: append(h[:1:1], h...)}, false},
		{Record{Headers: []Header{{Key: "trace"}}}, false},
		{Record{}, false},
	} {
		if _, _, ok := BadBatch(&tt.r); ok != tt.want {
			t.Errorf("%+v: %t", tt.r, ok)
		}
	}
}
