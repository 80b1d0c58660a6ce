package kafkaio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func topicRight(operation kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{Allow: true, Resource: kmsg.ACLResourceTypeTopic, Name: testTopic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation}
}

// guarded is a cluster with a topic of two records, as a user with these
// rights sees it.
func guarded(t *testing.T, rights ...kfake.ACL) Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, testTopic),
		kfake.Superuser("PLAIN", "root", "secret"), kfake.User("PLAIN", "clerk", "secret", rights...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := Cluster{Brokers: cluster.ListenAddrs(), SASL: "PLAIN", User: "root", PasswordFile: file}
	produce(t, root, events(0, 1000, 2000)...)
	clerk := root
	clerk.User = "clerk"
	return clerk
}

// What a user may not do is said with the right and the user, at the start and
// by a job, bounded or not; nothing is tried again for ever.
func TestRights(t *testing.T) {
	const grant = "kafka-acls.sh --bootstrap-server "
	for name, tt := range map[string]struct {
		rights []kfake.ACL
		says   []string
	}{
		"nothing":       {nil, []string{`user "clerk" lacks the right DESCRIBE of topic "events"`, grant, "--add --allow-principal User:clerk --operation Describe --topic events"}},
		"describe only": {[]kfake.ACL{topicRight(kmsg.ACLOperationDescribe)}, []string{`user "clerk" lacks the right READ of topic "events"`, grant, "--operation Read --topic events"}},
		"write only":    {[]kfake.ACL{topicRight(kmsg.ACLOperationWrite)}, []string{`user "clerk" lacks the right READ of topic "events"`}},
		"read":          {[]kfake.ACL{topicRight(kmsg.ACLOperationRead)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := guarded(t, tt.rights...)
			_, err := FindTopic(c, testTopic)
			if tt.says == nil {
				if err != nil {
					t.Fatal(err)
				}
				j := startJob(t, Options{Cluster: c, Bounded: true, Group: "no-right-needed"})
				j.wait(t)
				if n := j.out.count(); n != 2 {
					t.Errorf("%d records", n)
				}
				return
			}
			if err == nil {
				t.Fatal("no error at the start")
			}
			wantText(t, err.Error(), tt.says...)
			for _, bounded := range []bool{true, false} {
				wantText(t, startJob(t, Options{Cluster: c, Bounded: bounded}).fails(t), tt.says...)
			}
		})
	}
}

// Without the right of the group a job goes on; the warning has the right.
func TestGroupRight(t *testing.T) {
	c := guarded(t, topicRight(kmsg.ACLOperationRead))
	client, err := c.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := &reader{opts: &Options{Cluster: c, Topic: testTopic, Group: "shop"}, client: client}
	err = r.commitOffsets(Status{Partitions: []PartitionStatus{{Next: 1}}})
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), `user "clerk" lacks the right READ of group "shop"`, "--operation Read --group shop")
}

func TestDenied(t *testing.T) {
	user := Cluster{Brokers: []string{"a:1", "b:2"}, SASL: "PLAIN", User: "clerk"}
	anybody := Cluster{Brokers: []string{"a:1"}}
	for _, tt := range []struct {
		c     Cluster
		err   error
		right string
		want  string
	}{
		{user, nil, rightRead, ""},
		{user, sarama.ErrNotLeaderForPartition, rightRead, sarama.ErrNotLeaderForPartition.Error()},
		{user, sarama.ErrClusterAuthorizationFailed, rightRead, sarama.ErrClusterAuthorizationFailed.Error()},
		{user, fmt.Errorf("x: %w", sarama.ErrTopicAuthorizationFailed), rightWrite, `user "clerk" lacks the right WRITE of topic "t": grant it with kafka-acls.sh --bootstrap-server a:1,b:2 --add --allow-principal User:clerk --operation Write --topic t: x: `},
		{anybody, sarama.ErrTopicAuthorizationFailed, rightDescribe, `user "ANONYMOUS" lacks the right DESCRIBE of topic "t": grant it with kafka-acls.sh --bootstrap-server a:1 --add --allow-principal User:ANONYMOUS --operation Describe --topic t: `},
		{user, sarama.ErrClusterAuthorizationFailed, rightWrite, `user "clerk" lacks the right IDEMPOTENT_WRITE of the cluster, or WRITE of a topic: grant it with kafka-acls.sh --bootstrap-server a:1,b:2 --add --allow-principal User:clerk --operation IdempotentWrite --cluster: `},
		{user, sarama.ErrGroupAuthorizationFailed, rightRead, `user "clerk" lacks the right READ of group "g": grant it with kafka-acls.sh --bootstrap-server a:1,b:2 --add --allow-principal User:clerk --operation Read --group g: `},
	} {
		got := tt.c.Denied(tt.err, tt.right, "t", "g")
		switch {
		case tt.err == nil && got != nil, tt.err != nil && !errors.Is(got, tt.err):
			t.Errorf("%v became %v", tt.err, got)
		case got != nil && !strings.HasPrefix(got.Error(), tt.want):
			t.Errorf("got  %v\nwant %s", got, tt.want)
		}
	}
}

// A right that was there may lack for a moment; one that never was ends the
// read at once.
func TestRefusal(t *testing.T) {
	fresh, seen := still(0, 0), still(0, 0)
	fresh.told.answered.Store(0)
	for _, tt := range []struct {
		f     *fetcher
		err   error
		final bool
		after time.Duration
	}{
		{fresh, sarama.ErrTopicAuthorizationFailed, true, 0},
		{seen, sarama.ErrTopicAuthorizationFailed, true, deniedFor},
		{fresh, sarama.ErrUnknownTopicOrPartition, true, unknownFor},
		{seen, sarama.ErrNotLeaderForPartition, false, 0},
		{fresh, net.ErrClosed, false, 0},
	} {
		after, final := tt.f.refusal(tt.err)
		if (final != nil) != tt.final || after != tt.after {
			t.Errorf("%v: %v after %s, want an end: %t, after %s", tt.err, final, after, tt.final, tt.after)
		}
	}
}

// A broker that names another one by an address that is of no use here: that
// is said at the start, within seconds.
func TestAdvertisedAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for addr, says := range map[string]string{"kafka-1.invalid:9092": "cannot resolve: set advertised.listeners", closed: "cannot connect to: set advertised.listeners"} {
		b := sarama.NewMockBroker(t, 1)
		defer b.Close()
		b.SetHandlerByMap(map[string]sarama.MockResponse{
			"ApiVersionsRequest": sarama.NewMockApiVersionsResponse(t).SetApiKeys([]sarama.ApiVersionsResponseKey{{ApiKey: 1, MaxVersion: fetchVersion}, {ApiKey: 3, MaxVersion: 7}}),
			"MetadataRequest":    sarama.NewMockMetadataResponse(t).SetBroker(addr, 7).SetLeader(testTopic, 0, 7).SetController(7),
		})
		_, err := FindTopic(Cluster{Brokers: []string{b.Addr()}}, testTopic)
		if err == nil {
			t.Fatalf("%s: no error", addr)
		}
		wantText(t, err.Error(), "a broker of the cluster at "+b.Addr()+" advertises itself as "+addr+", which this machine "+says)
	}
}
