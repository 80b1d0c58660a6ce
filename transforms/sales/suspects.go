package sales

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/cespare/xxhash/v2"

	"example.com/shopstream/internal/lake"
)

func init() {
	beam.RegisterDoFn(&hashFn{})
	beam.RegisterDoFn(&repeatedFn{})
	beam.RegisterDoFn(&keepFn{})
	register.Iter1[[]byte]()
	register.Emitter2[int64, []byte]()
}

// Few ids are there twice, so events do not cross a shuffle to be compared:
// their ids' hashes do, six bytes each. A hash that is there once belongs to an
// id that is there once; the events of the others are suspects, which are
// compared in full. (Of 20 million
// ids, a pair is suspected for nothing once in a hundred runs.)

// hashShards is into how many groups the hashes go, by their first bits.
const hashShards = 64

// idHash is the hash by which ids are compared first.
func idHash(id string) uint64 { return xxhash.Sum64String(id) }

func shardOf(hash uint64) int { return int(hash >> 58) }

// hashBytes is how many bytes of a hash are kept beside its shard, and restOf
// what they say.
const hashBytes = 6

func restOf(hash uint64) uint64 { return hash & (1<<(8*hashBytes) - 1) }

func appendHash(b []byte, hash uint64) []byte {
	return binary.LittleEndian.AppendUint64(b, restOf(hash))[:len(b)+hashBytes]
}

func hashAt(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

// suspect is what is known of the hash of a suspect.
type suspect struct {
	shard int
	rest  uint64
}

func suspectOf(hash uint64) suspect { return suspect{shardOf(hash), restOf(hash)} }

// suspects finds the hashes of ids that more than one event has, and keeps them
// in the lake. It returns one element when it has.
//
// They are no side input: Prism looks all the time whether a stage that has one
// may go on, and spends a core on it.
func suspects(s beam.Scope, ids beam.PCollection, r Rules) beam.PCollection {
	s = s.Scope("sales.suspects")
	hashes := beam.ParDo(s, &hashFn{}, ids)
	repeated := beam.ParDo(s, &repeatedFn{}, beam.GroupByKey(s, hashes))
	return beam.ParDo(s, &keepFn{Rules: r}, beam.GroupByKey(s, repeated))
}

// hashFn packs the hashes of a batch's ids by shard.
type hashFn struct {
	shards [hashShards][]byte
}

// hashBatch is how many bytes of hashes go into an element.
const hashBatch = 64 << 10

func (fn *hashFn) StartBundle(func(int64, []byte)) {
	for i := range fn.shards {
		fn.shards[i] = nil
	}
}

func (fn *hashFn) ProcessElement(b lake.Events, emit func(int64, []byte)) {
	for _, id := range b.EventID {
		h := idHash(id)
		shard := shardOf(h)
		fn.shards[shard] = appendHash(fn.shards[shard], h)
		if len(fn.shards[shard]) >= hashBatch {
			emit(int64(shard), fn.shards[shard])
			fn.shards[shard] = make([]byte, 0, hashBatch)
		}
	}
}

func (fn *hashFn) FinishBundle(emit func(int64, []byte)) {
	for i, hashes := range fn.shards {
		if len(hashes) > 0 || i == 0 { // of no events too, something must come out at the end
			emit(int64(i), hashes)
		}
		fn.shards[i] = nil
	}
}

// repeatedFn finds the hashes that are in a shard more than once.
type repeatedFn struct{}

func (repeatedFn) ProcessElement(shard int64, packed func(*[]byte) bool, emit func(int64, []byte)) error {
	var hashes []uint64
	for b := []byte(nil); packed(&b); {
		if len(b)%hashBytes != 0 {
			return errPacked
		}
		hashes = slices.Grow(hashes, len(b)/hashBytes)
		for ; len(b) > 0; b = b[hashBytes:] {
			hashes = append(hashes, hashAt(b))
		}
	}
	slices.Sort(hashes)
	var out []byte
	for i := 1; i < len(hashes); i++ {
		if hashes[i] == hashes[i-1] && (i == 1 || hashes[i] != hashes[i-2]) {
			out = appendHash(append(out, byte(shard)), hashes[i])
		}
	}
	emit(0, out)
	return nil
}

// keepFn keeps the hashes of a run in the lake.
type keepFn struct{ Rules Rules }

func (fn *keepFn) ProcessElement(ctx context.Context, _ int64, packed func(*[]byte) bool, emit func([]byte)) error {
	st, err := lake.Shared(ctx, fn.Rules.Lake)
	if err != nil {
		return err
	}
	var all []byte
	for b := []byte(nil); packed(&b); {
		all = append(all, b...)
	}
	if err := st.Put(ctx, fn.Rules.Suspects, all); err != nil {
		return err
	}
	emit(nil)
	return nil
}

// suspectHashes reads what keepFn has kept.
func (r Rules) suspectHashes(ctx context.Context) (map[suspect]struct{}, error) {
	st, err := lake.Shared(ctx, r.Lake)
	if err != nil {
		return nil, err
	}
	packed, err := st.Get(ctx, r.Suspects)
	if err != nil {
		return nil, err
	}
	const size = 1 + hashBytes
	if len(packed)%size != 0 {
		return nil, errPacked
	}
	set := make(map[suspect]struct{}, len(packed)/size)
	for ; len(packed) > 0; packed = packed[size:] {
		set[suspect{int(packed[0]), hashAt(packed[1:])}] = struct{}{}
	}
	return set, nil
}
