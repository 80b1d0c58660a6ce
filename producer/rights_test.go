package producer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"example.com/shopstream/internal/kafkaio"
)

// Who may see a topic but not write to it is told so, with the right and the
// user, and nothing is tried again.
func TestDeliverWithoutTheRight(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, testTopic),
		kfake.User("PLAIN", "clerk", "secret", kfake.ACL{
			Allow: true, Resource: kmsg.ACLResourceTypeTopic, Name: testTopic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead,
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := kafkaio.Cluster{Brokers: broker.ListenAddrs(), SASL: "PLAIN", User: "clerk", PasswordFile: file}
	_, err = Deliver(t.Context(), c, testTopic, &numbers{n: 3, partitions: 1}, DeliverOptions{})
	if err == nil {
		t.Fatal("no error")
	}
	if !strings.Contains(err.Error(), `user "clerk" lacks the right`) || !strings.Contains(err.Error(), "WRITE") || !strings.Contains(err.Error(), "kafka-acls.sh") {
		t.Errorf("the error does not say which right of whom: %v", err)
	}
}
