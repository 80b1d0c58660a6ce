package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/shopstream/ml/demand"
	"example.com/shopstream/producer"
)

// journal says which files a topic was sent, one behind the other, so that the
// next one is known for another, for one that has grown, or for one that was sent
// already. It is a file of the data folder.
type journal struct {
	path    string
	TopicID string `json:"topic_id"`
	Sent    []sent `json:"sent"`
}

// sent is a file, or the part by which it has grown, in the topic.
type sent struct {
	File    string          `json:"file"`
	Format  producer.Format `json:"format"`
	Content producer.Prefix `json:"content"`
	From    int64           `json:"from,omitempty"` // where the part begins
	Start   map[int32]int64 `json:"start"`          // offsets by partition
	End     map[int32]int64 `json:"end"`            // nil while it is being sent
	Legacy  bool            `json:"legacy,omitempty"`
}

// readJournal reads the journal of a topic; one of another topic, or none, is an
// empty one.
func readJournal(folder, topicID string) (*journal, error) {
	j := &journal{path: filepath.Join(folder, "replayed.json"), TopicID: topicID}
	data, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	var there journal
	if err == nil {
		err = json.Unmarshal(data, &there)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, which says what files the topic was sent: %w: restore it, or use another folder with --data", j.path, err)
	}
	if there.TopicID == topicID {
		j.Sent = there.Sent
	}
	return j, nil
}

func (j *journal) write() error {
	data, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(j.path), 0o750); err != nil {
		return err
	}
	return demand.WriteFile(j.path, append(data, '\n'))
}

// unfinished is the file that a run was killed over; nil: none.
func (j *journal) unfinished() *sent {
	if n := len(j.Sent); n > 0 && j.Sent[n-1].End == nil {
		return &j.Sent[n-1]
	}
	return nil
}

// known are the contents that were sent whole, of files of a format.
func (j *journal) known(format producer.Format) (known []producer.Prefix) {
	for _, s := range j.Sent {
		if s.End != nil && s.Format == format {
			known = append(known, s.Content)
		}
	}
	return known
}

// legacy reports whether the part that ends at from was sent as earlier versions
// did; any: whether some part of the format was.
func (j *journal) legacy(format producer.Format, from int64) (it, any bool) {
	for _, s := range j.Sent {
		if s.Format == format && s.Legacy {
			any = true
			it = it || s.Content.Bytes == from
		}
	}
	return it, any
}

// records is how many records the files have in the topic.
func (j *journal) records() (n int64) {
	for _, s := range j.Sent {
		for p, end := range s.End {
			n += end - s.Start[p]
		}
	}
	return n
}
