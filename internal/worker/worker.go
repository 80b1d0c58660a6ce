// Package worker lets the programs that submit and start a job on a cluster
// agree on the worker: both must be the same build.
package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// HashOption names the job option that holds the Hash of the program that
// submitted the job.
const HashOption = "shopstream_worker_sha256"

// Hash is the SHA-256 of a file, in hex.
func Hash(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("hash %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// OwnHash is the Hash of this program.
func OwnHash() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	return Hash(name)
}
