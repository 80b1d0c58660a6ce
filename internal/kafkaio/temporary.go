package kafkaio

import (
	"errors"
	"io"
	"net"
	"strings"

	"github.com/IBM/sarama"
)

// Temporary reports whether an error of this package means that brokers are
// away or have no leader at the moment. A runner hands on the error of a DoFn
// as text, without its type; ErrNoBroker is recognised by its text, too.
func Temporary(err error) bool {
	if err == nil {
		return false
	}
	for _, cause := range []error{
		ErrNoBroker, io.EOF, io.ErrUnexpectedEOF,
		sarama.ErrOutOfBrokers, sarama.ErrNotConnected, sarama.ErrIncompleteResponse, sarama.ErrControllerNotAvailable,
		sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition, sarama.ErrNotController, sarama.ErrRequestTimedOut,
		sarama.ErrBrokerNotAvailable, sarama.ErrReplicaNotAvailable, sarama.ErrNetworkException, sarama.ErrOffsetNotAvailable,
		sarama.ErrOffsetsLoadInProgress, sarama.ErrConsumerCoordinatorNotAvailable, sarama.ErrNotCoordinatorForConsumer,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	var (
		broken *net.OpError
		name   *net.DNSError
	)
	return errors.As(err, &broken) || errors.As(err, &name) || strings.Contains(err.Error(), ErrNoBroker.Error())
}
