// Package broker runs a Kafka broker inside this process, with a data folder,
// so that shopstream can be tried without installing one.
//
// It is franz-go's kfake: the real protocol (idempotent producers, consumer
// groups, any client), one node, one goroutine for all requests, no
// replication. It is for trying and for tests, not for a shop's real events:
// records are handed to the operating system before they are acknowledged, so
// they survive the end of the process however abrupt (kill -9 included), but
// not a power cut, unless Options.Sync asks for that.
//
// Record timestamps: every topic behaves like one with
// message.timestamp.type=LogAppendTime, whatever its configuration says. kfake
// itself keeps the producer's clock, so the broker moves each batch on arrival:
// its newest record gets the broker's clock and the others keep their distance
// to it. No client's clock can put a record into the future.
package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// MaxMessageBytes bounds a record batch, for topics that don't set a limit of their own.
const MaxMessageBytes = 16 << 20

// Notice is what a program that starts the embedded broker should say about it.
const Notice = "embedded broker: for trying shopstream out, not for production data (one node, no replication)"

// Options of Start. The zero value is a broker in memory on a free port.
type Options struct {
	Dir        string       // data folder, made if missing; empty: memory only
	Port       int          // on 127.0.0.1; 0: any free one
	Partitions int          // of topics that a client creates without saying; 0: 4
	Sync       bool         // fsync each batch: survives a power cut, many times slower
	Log        *slog.Logger // the broker's warnings (a full disk, say); nil: dropped
}

// Broker is a running broker. Its methods may be called from any goroutine.
type Broker struct {
	cluster *kfake.Cluster
	lock    *os.File // nil without a folder
	log     *recorder
	addrs   []string

	closing  sync.Once
	closeErr error
}

// Start opens the data folder, takes its lock and listens. It fails, naming
// the holder, if another broker has the folder open.
func Start(o Options) (*Broker, error) {
	if o.Partitions == 0 {
		o.Partitions = 4
	}
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("embedded broker: port %d: expected 0 (any free one) to 65535", o.Port)
	}
	b := &Broker{log: &recorder{to: o.Log}}
	opts := []kfake.Opt{
		kfake.Ports(o.Port),
		kfake.ClusterID("shopstream-embedded"), // kafkaio knows it: what this broker stamps
		kfake.DefaultNumPartitions(o.Partitions),
		kfake.BrokerConfigs(map[string]string{
			"message.max.bytes":          strconv.Itoa(MaxMessageBytes),
			"log.message.timestamp.type": "LogAppendTime",
		}),
		kfake.WithLogger(b.log),
	}
	if o.Dir != "" {
		lock, err := lockDir(o.Dir)
		if err != nil {
			return nil, err
		}
		b.lock = lock
		opts = append(opts, kfake.DataDir(o.Dir))
		if o.Sync {
			opts = append(opts, kfake.SyncWrites())
		}
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, errors.Join(explain(err, o), b.unlock())
	}
	stampOnArrival(cluster)
	b.cluster, b.addrs = cluster, cluster.ListenAddrs()
	return b, nil
}

// Addrs returns the broker's addresses as host:port, for a client's bootstrap list.
func (b *Broker) Addrs() []string { return b.addrs }

// Close stops the broker, writes its state and releases the folder. Clients
// lose their connections. A second Close does nothing and returns the same.
func (b *Broker) Close() error {
	b.closing.Do(func() {
		b.cluster.Close()
		b.closeErr = errors.Join(b.log.failure(), b.unlock())
	})
	return b.closeErr
}

func (b *Broker) unlock() error {
	if b.lock == nil {
		return nil
	}
	return b.lock.Close()
}

func explain(err error, o Options) error {
	var op *net.OpError
	if errors.As(err, &op) && errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("embedded broker: port %d of 127.0.0.1 is in use: choose another, or 0 for any free one (%w)", o.Port, err)
	}
	if o.Dir != "" {
		return fmt.Errorf("embedded broker: cannot open its data folder %s: %w", o.Dir, err)
	}
	return fmt.Errorf("embedded broker: %w", err)
}

// recorder passes kfake's warnings on and keeps the first error: kfake reports
// a failed save at shutdown nowhere else.
type recorder struct {
	to *slog.Logger

	mu    sync.Mutex
	first error
}

// Logf implements kfake.Logger.
func (r *recorder) Logf(level kfake.LogLevel, format string, args ...any) {
	if level != kfake.LogLevelError && level != kfake.LogLevelWarn {
		return
	}
	text := fmt.Sprintf(format, args...)
	// A batch that cannot be saved is only a warning to kfake, and is repeated for every batch.
	unsaved := strings.HasPrefix(text, "persist ")
	if level == kfake.LogLevelError || unsaved {
		if unsaved {
			text += ": free some space or choose another data folder"
		}
		r.mu.Lock()
		first := r.first == nil
		if first {
			r.first = errors.New("embedded broker: " + text)
		}
		r.mu.Unlock()
		if !first {
			return
		}
	}
	if r.to != nil {
		r.to.Warn("embedded broker: " + text)
	}
}

func (r *recorder) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}
