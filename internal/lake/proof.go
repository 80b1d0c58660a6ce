package lake

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC is the CRC-32C of a file's content, by which readers know it again.
// Processors compute it faster than memory is read.
func CRC(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// checkCRC holds a file's content to its entry in the ledger.
func checkCRC(f File, crc uint32) error {
	if f.CRC != 0 && crc != f.CRC {
		return damage("expected the content that was written, of CRC-32C %08x, found %08x", f.CRC, crc)
	}
	return nil
}

// wholeCRC reads an object whole, by steps.
func wholeCRC(o Object) (uint32, error) {
	h := crc32.New(castagnoli)
	if n, err := io.Copy(h, io.NewSectionReader(o, 0, o.Size())); err != nil || n != o.Size() {
		return 0, cmp.Or(err, io.ErrUnexpectedEOF)
	}
	return h.Sum32(), nil
}

// verified are the large files that this process has read whole.
var verified sync.Map

// verifyOnce reads a large file whole and holds it to its checksum, once a process.
func verifyOnce(st Store, o Object, f File) error {
	key := fmt.Sprintf("%s %s %08x", st.URI(), f.Name, f.CRC)
	if _, ok := verified.Load(key); ok || f.CRC == 0 {
		return nil
	}
	crc, err := wholeCRC(o)
	if err == nil {
		err = checkCRC(f, crc)
	}
	if err != nil {
		return err
	}
	verified.Store(key, true)
	return nil
}

// check returns an error unless a row's counts are those of its files.
func (r Row) check() error {
	files := map[Lane]int64{}
	read := map[int32]int64{}
	for _, f := range r.Files {
		files[f.Lane] += f.Rows
		if f.Lane == Bronze {
			if k, ok := parseName(f.Name); ok {
				read[k.Partition] += f.Rows
			}
		}
	}
	dead := Total([]Row{r}).DeadCount()
	var lateDates int64
	for _, n := range r.LateDates {
		lateDates += n
	}
	for _, c := range []struct {
		what       string
		want, have int64
	}{
		{"records read", r.Read, files[Bronze]},
		{"silver rows", r.Silver, files[Silver]},
		{"late rows", r.Late, files[Late]},
		{"dead letters", dead, files[Dead]},
		{"late rows by date", r.Late, lateDates},
	} {
		if c.want != c.have {
			return fmt.Errorf("expected files of %d %s, found %d", c.want, c.what, c.have)
		}
	}
	for p, from := range r.From { // a row of an older program has none
		if steps := r.Next[p] - from; steps < read[p] || read[p] == 0 {
			return fmt.Errorf("expected %d records of partition %d, found the offsets %d to %d", read[p], p, from, r.Next[p])
		}
	}
	return nil
}

// checkRows holds each row to its files, and its offsets to those of the rows
// before it. Offsets may have gaps between rows, as in the log: transactions and
// compaction make them.
func (l *Ledger) checkRows(st Store, tell faults) error {
	next := map[int32]int64{}
	for _, r := range l.Rows {
		err := r.check()
		for p, from := range r.From {
			// Where the runner keeps the state, a failover writes windows again that end elsewhere.
			if err == nil && l.Settings.State != StateRunner && from < next[p] {
				err = fmt.Errorf("expected partition %d from offset %d on, found %d: a row before it has the same records", p, next[p], from)
			}
			next[p] = r.Next[p]
		}
		if err == nil {
			continue
		}
		if err := tell.take(damaged(st, windowName(rowsDir, r.Window, ".json"), err)); err != nil {
			return err
		}
	}
	return nil
}
