package lake

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// An object of the ledger is one JSON object whose last member is a checksum:
//
//	{"window":1772000040000,…,"sum":"0f3c5a1be7724d90"}
//
// It is the xxHash of the object's name and of all before it, so that a changed
// byte is found, and an object that lies under another's name. It is no proof
// against who means to deceive.
//
// Lakes of format 2 have objects without one. They are taken strictly: a member
// that is not known could be a damaged checksum.

const (
	sumStart = `,"sum":"`
	sumEnd   = "\"}\n"
	sumHex   = 16
)

// encodeObject is the content of an object of the ledger, and its checksum.
func encodeObject(name string, v any) (data []byte, sum uint64, err error) {
	if data, err = json.Marshal(v); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	data = data[:len(data)-1] // the closing brace
	sum = objectSum(name, data)
	data = append(data, sumStart...)
	data = append(data, fmt.Sprintf("%016x", sum)...)
	return append(data, sumEnd...), sum, nil
}

func objectSum(name string, body []byte) uint64 {
	h := xxhash.New()
	_, _ = h.WriteString(name) // never fails
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(body)
	return h.Sum64()
}

// cutSum splits an object into what its checksum is of, and the checksum.
func cutSum(data []byte) (body []byte, sum uint64, ok bool) {
	const length = len(sumStart) + sumHex + len(sumEnd)
	if len(data) < length {
		return nil, 0, false
	}
	at := len(data) - length
	tail := data[at:]
	if !bytes.HasPrefix(tail, []byte(sumStart)) || !bytes.HasSuffix(tail, []byte(sumEnd)) {
		return nil, 0, false
	}
	text := string(tail[len(sumStart) : len(sumStart)+sumHex])
	sum, err := strconv.ParseUint(text, 16, 64)
	return data[:at], sum, err == nil && fmt.Sprintf("%016x", sum) == text // one way to write it
}

// errNoSum: the object has no checksum, or one that is not to be found.
var errNoSum = errors.New("expected a checksum at its end, found none")

// decodeObject reads an object and returns its checksum. With errNoSum, v is what
// it says all the same, if it has nothing that v has not.
func decodeObject(name string, data []byte, v any) (sum uint64, err error) {
	body, sum, ok := cutSum(data)
	if !ok {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(v); err != nil {
			return 0, err
		}
		if d.More() {
			return 0, errors.New("expected one JSON object, found more")
		}
		return objectSum(name, data), errNoSum
	}
	if have := objectSum(name, body); have != sum {
		return 0, fmt.Errorf("its checksum is %016x, but that of its content under this name is %016x", sum, have)
	}
	return sum, json.Unmarshal(data, v)
}

// putDurably writes an object of the ledger after making durable all that was
// put so far.
func putDurably(ctx context.Context, st Store, name string, v any) error {
	_, err := putObject(ctx, st, name, v)
	return err
}

func putObject(ctx context.Context, st Store, name string, v any) (sum uint64, err error) {
	data, sum, err := encodeObject(name, v)
	if err != nil {
		return 0, err
	}
	if err := st.Sync(ctx); err != nil {
		return 0, err
	}
	return sum, st.Put(ctx, name, data)
}

func getJSON(ctx context.Context, st Store, name string, v any) error {
	_, err := getObject(ctx, st, name, v)
	return err
}

// getObject reads an object of the ledger and returns its checksum.
func getObject(ctx context.Context, st Store, name string, v any) (sum uint64, err error) {
	data, err := st.Get(ctx, name)
	if err != nil {
		return 0, err
	}
	sum, err = decodeObject(name, data, v)
	if errors.Is(err, errNoSum) {
		var old bool
		if old, err = hasOldObjects(ctx, st); err == nil && !old {
			err = errNoSum
		}
	}
	if err != nil {
		return 0, damaged(st, name, err)
	}
	return sum, nil
}

// oldLakes are the URIs of lakes that have objects without a checksum.
var oldLakes sync.Map

// hasOldObjects reports whether a lake was made with format 2.
func hasOldObjects(ctx context.Context, st Store) (bool, error) {
	if _, ok := oldLakes.Load(st.URI()); ok {
		return true, nil
	}
	s, err := readSettings(ctx, st, "")
	if errors.Is(err, fs.ErrNotExist) {
		// The root of a lake that was built again, and pruned: the pointer's generation says.
		if p, ok := peekPointer(ctx, st); ok {
			s, err = readSettings(ctx, st, generationPath(p.Generation)+"/")
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || s.Format > formatUnsummed && !s.Upgraded {
		return false, err
	}
	oldLakes.Store(st.URI(), true)
	return true, nil
}

// readSettings reads lake.json of the lake in a folder of the store ("" or with a
// slash at the end).
func readSettings(ctx context.Context, st Store, folder string) (s Settings, err error) {
	data, err := st.Get(ctx, folder+settingsName)
	if err != nil {
		return s, err
	}
	_, err = decodeObject(settingsName, data, &s)
	if errors.Is(err, errNoSum) && s.Format <= formatUnsummed && !s.Upgraded {
		err = nil
	}
	if err != nil {
		// The settings of a newer format may be written in another form.
		var newer struct{ Format int }
		if json.Unmarshal(data, &newer) == nil && newer.Format > formatVersion {
			return Settings{Format: newer.Format}, nil
		}
		return s, damaged(st, folder+settingsName, err)
	}
	return s, nil
}

// hash64 folds numbers into one.
func hash64(values ...uint64) uint64 {
	b := make([]byte, 0, 64)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return xxhash.Sum64(b)
}
