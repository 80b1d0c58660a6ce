package lake

import (
	"errors"
	"fmt"

	"example.com/shopstream/internal/filelock"
)

// Lock keeps a lake to one writer: a second one would remove what the first
// has not sealed. The lock ends with unlock or with the process. It works on
// folders; of a bucket nobody keeps a second writer away.
func Lock(st Store) (unlock func() error, err error) {
	local, ok := st.(*localStore)
	if !ok {
		return func() error { return nil }, nil
	}
	f, err := filelock.Lock(local.root, ".lock")
	var held *filelock.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("lake %w, which writes to it: stop that one, or use another lake", held)
	}
	if err != nil {
		return nil, explainDisk(local.root, "lock", ".lock", err)
	}
	return f.Close, nil
}
