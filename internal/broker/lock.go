package broker

import (
	"errors"
	"fmt"
	"os"

	"example.com/shopstream/internal/filelock"
)

// lockDir makes the data folder and keeps it to this process.
func lockDir(dir string) (*os.File, error) {
	f, err := filelock.Lock(dir, "broker.lock")
	var held *filelock.HeldError
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("embedded broker: data folder %w: stop that one, or choose another folder", held)
	case err != nil:
		return nil, fmt.Errorf("embedded broker: cannot make its data folder: %w: choose another folder", err)
	}
	return f, nil
}
