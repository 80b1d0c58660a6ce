package kafkaio

import (
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Who stamps is what the topic is set to, else what its cluster is; the embedded
// broker stamps all, whatever its topics say.
func TestAskStamps(t *testing.T) {
	plain, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plain.Close)
	kafka := Cluster{Brokers: plain.ListenAddrs()}
	embedded := startBroker(t, 0)
	for _, tt := range []struct {
		name    string
		cluster Cluster
		config  string // of the topic; "": none
		want    Stamps
	}{
		{"default", kafka, "", CreateTime},
		{"created", kafka, "CreateTime", CreateTime},
		{"appended", kafka, "LogAppendTime", LogAppendTime},
		{"embedded", embedded, "CreateTime", LogAppendTime},
	} {
		detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
		if tt.config != "" {
			detail.ConfigEntries[timestampType] = &tt.config
		}
		if err := admin(t, tt.cluster).CreateTopic(tt.name, detail, false); err != nil {
			t.Fatal(err)
		}
		got, err := AskStamps(tt.cluster, tt.name)
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
		means := got.Means(tt.cluster, tt.name)
		if tt.want == LogAppendTime {
			wantText(t, means, `the broker stamps the records of topic "`+tt.name+`" (message.timestamp.type=LogAppendTime)`)
		} else {
			wantText(t, means, `producers stamp the records of topic "`+tt.name+`"`, "its first 8 records", "32 of its last 128",
				"kafka-configs.sh --bootstrap-server "+tt.cluster.Brokers[0]+" --alter --entity-type topics --entity-name "+tt.name+" --add-config message.timestamp.type=LogAppendTime")
		}
	}
}

func TestAskStampsWithoutTheRight(t *testing.T) {
	c := guarded(t, topicRight(kmsg.ACLOperationRead))
	_, err := AskStamps(c, testTopic)
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), "cannot ask who stamps the records", `user "clerk" lacks the right DESCRIBE_CONFIGS of topic "events"`, "--operation DescribeConfigs --topic events")
	may := guarded(t, topicRight(kmsg.ACLOperationRead), topicRight(kmsg.ACLOperationDescribeConfigs))
	if stamps, err := AskStamps(may, testTopic); err != nil || stamps != CreateTime {
		t.Errorf("%q, %v", stamps, err)
	}
}
