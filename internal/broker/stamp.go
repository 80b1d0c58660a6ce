package broker

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Positions in a record batch of format 2.
const (
	batchCRC       = 17 // over everything from batchAttrs on
	batchAttrs     = 21
	batchFirstTime = 27
	batchMaxTime   = 35
	batchHeader    = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// stampOnArrival gives arriving batches the broker's clock.
//
// kfake ignores message.timestamp.type. Where a batch has the attribute bit of
// LogAppendTime it sets the times but leaves the checksum as it was, so the
// batch is lost at the next read: that bit is of no use here, nor may a client
// send it.
func stampOnArrival(c *kfake.Cluster) {
	c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		now := time.Now().UnixMilli()
		for _, t := range r.(*kmsg.ProduceRequest).Topics {
			for _, p := range t.Partitions {
				stamp(p.Records, now)
			}
		}
		return nil, nil, false // kfake handles it from here, and the control stays
	})
}

// stamp moves the times of one batch so that its newest is now. It leaves
// alone what is no intact batch: kfake's checks refuse that.
func stamp(b []byte, now int64) {
	if len(b) < batchHeader || binary.BigEndian.Uint32(b[batchCRC:]) != crc32.Checksum(b[batchAttrs:], castagnoli) {
		return
	}
	first := int64(binary.BigEndian.Uint64(b[batchFirstTime:]))
	newest := int64(binary.BigEndian.Uint64(b[batchMaxTime:]))
	const logAppendTime = 1 << 3
	b[batchAttrs+1] &^= logAppendTime
	binary.BigEndian.PutUint64(b[batchFirstTime:], uint64(now-(newest-first)))
	binary.BigEndian.PutUint64(b[batchMaxTime:], uint64(now))
	binary.BigEndian.PutUint32(b[batchCRC:], crc32.Checksum(b[batchAttrs:], castagnoli))
}
