package kafkaio

import (
	"sync"

	"github.com/IBM/sarama"
)

// Sarama's bound of what a batch decompresses to is one for the process, and by
// default there is none: a batch of 48 KB can have 1.5 GB in it.
func init() { sarama.MaxDecompressedBatchSize = batchBytes }

// batchBytes is the default: the window of zstd's highest level, which counts
// too, however little is in a batch.
const batchBytes = 128 << 20

var limiting sync.Mutex

// limitBatches sets the bound. It is written only where it changes: whoever
// decodes reads it without a lock.
func limitBatches(bytes int) {
	limiting.Lock()
	defer limiting.Unlock()
	if n := int32(bytes); bytes > 0 && n != sarama.MaxDecompressedBatchSize {
		sarama.MaxDecompressedBatchSize = n
	}
}
