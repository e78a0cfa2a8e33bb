package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.mongodb.org/mongo-driver/v2/bson"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	azurite "github.com/kedago/keda/test/servers/azurite"
	ferretdb "github.com/kedago/keda/test/servers/ferretdb"
	mosquitto "github.com/kedago/keda/test/servers/mosquitto"
	moto "github.com/kedago/keda/test/servers/moto"
	postgresql "github.com/kedago/keda/test/servers/postgresql"
	pubsub "github.com/kedago/keda/test/servers/pubsub"
	rabbitmq "github.com/kedago/keda/test/servers/rabbitmq"
)

// broker is a source with one queue.
type broker struct {
	kind string
	// metadata are the trigger's parameters, secret those that come from a Secret.
	metadata, secret map[string]string
	// set makes the queue hold n items.
	set func(n int)
}

// TestBrokers: items in, replicas up, items out, replicas down, on the real
// server of each source or the most real one there is.
func TestBrokers(t *testing.T) {
	for kind, start := range map[string]func(*story) broker{
		"rabbitmq by AMQP": rabbitmqByAMQP, "rabbitmq by HTTP": rabbitmqByHTTP, "aws-sqs-queue": sqsQueue, "azure-queue": azureQueue,
		"gcp-pubsub": pubsubSubscription, "postgresql": postgresqlTable, "mongodb": mongodbCollection, "mqtt": mqttTopic, "nats-jetstream": natsStream, "external-push": externalPush,
	} {
		t.Run(kind, func(t *testing.T) {
			s := newStory(t)
			b := start(s)
			b.set(0)
			s.create(deployment(worker, 0))
			trigger := kedav1.ScaleTriggers{Type: b.kind, Metadata: b.metadata}
			if len(b.secret) > 0 {
				s.credentials(b.secret)
				withAuth("", "broker")(&trigger)
			}
			o := s.apply(scaledObject([]kedav1.ScaleTriggers{trigger}))
			o.ready()
			o.expect(model.ConditionActive, "False", "ScalerNotActive")
			b.set(7)
			s.settled(4) // two for each
			b.set(0)
			o.decided(model.RuleZero, 4, 0)
			o.ready()
		})
	}
}

// credentials makes a TriggerAuthentication named broker over a Secret.
func (s *story) credentials(values map[string]string) {
	s.Helper()
	secret := tokenSecret("broker", "", "")
	secret.StringData = values
	spec := kedav1.TriggerAuthenticationSpec{}
	for name := range values {
		spec.SecretTargetRef = append(spec.SecretTargetRef, kedav1.AuthSecretTargetRef{Parameter: name, Name: "broker", Key: name})
	}
	s.create(secret, auth("broker", spec))
}

func rabbitmqAt(s *story, scheme, address string, r *rabbitmq.Server) broker {
	r.Declare(s.T, "orders")
	return broker{
		kind: "rabbitmq", metadata: map[string]string{"queueName": "orders", "mode": "QueueLength", "value": "2"},
		secret: map[string]string{"host": scheme + "://" + rabbitmq.User + ":" + rabbitmq.Password + "@" + address + "/"},
		set: func(n int) {
			r.Set(s.T, "orders", n)
			r.Await(s.T, "orders", func(q rabbitmq.Queue) bool { return q.Messages != nil && *q.Messages == n })
		},
	}
}

func rabbitmqByAMQP(s *story) broker {
	r := rabbitmq.Start(s.T, nil)
	return rabbitmqAt(s, "amqp", r.AMQP, r)
}

func rabbitmqByHTTP(s *story) broker {
	r := rabbitmq.Start(s.T, nil)
	return rabbitmqAt(s, "http", r.HTTP, r)
}

func sqsQueue(s *story) broker {
	m := moto.Start(s.T)
	client := sqs.New(sqs.Options{
		Region: moto.Region, BaseEndpoint: &m.URL, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	made, err := client.CreateQueue(s.ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	s.must(err)
	return broker{
		kind:     "aws-sqs-queue",
		metadata: map[string]string{"queueURL": *made.QueueUrl, "queueLength": "2", "awsRegion": moto.Region, "awsEndpoint": m.URL},
		secret:   map[string]string{"awsAccessKeyID": "key", "awsSecretAccessKey": "secret"},
		set: func(n int) {
			for range n {
				_, err := client.SendMessage(s.ctx, &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String("x")})
				s.must(err)
			}
			for n == 0 {
				got, err := client.ReceiveMessage(s.ctx, &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, MaxNumberOfMessages: 10})
				s.must(err)
				if len(got.Messages) == 0 {
					return
				}
				for _, m := range got.Messages {
					_, err := client.DeleteMessage(s.ctx, &sqs.DeleteMessageInput{QueueUrl: made.QueueUrl, ReceiptHandle: m.ReceiptHandle})
					s.must(err)
				}
			}
		},
	}
}

func azureQueue(s *story) broker {
	a := azurite.Start(s.T)
	connection := azurite.Connection(a.Queue, a.Blob)
	service, err := azqueue.NewServiceClientFromConnectionString(connection, nil)
	s.must(err)
	q := service.NewQueueClient("orders")
	_, err = q.Create(s.ctx, nil)
	s.must(err)
	return broker{
		kind: "azure-queue", metadata: map[string]string{"queueName": "orders", "queueLength": "2"},
		secret: map[string]string{"connection": connection},
		set: func(n int) {
			_, err := q.ClearMessages(s.ctx, nil)
			s.must(err)
			for range n {
				_, err := q.EnqueueMessage(s.ctx, "x", nil)
				s.must(err)
			}
		},
	}
}

// pubsubSubscription is a subscription of Google's emulator, whose backlog is
// shown as Cloud Monitoring shows it, since the emulator has no Monitoring.
func pubsubSubscription(s *story) broker {
	p := pubsub.Start(s.T)
	p.Subscribe(s.T, "orders")
	now := func() string { return time.Now().UTC().Format(time.RFC3339Nano) }
	const metric = "pubsub.googleapis.com/subscription/num_undelivered_messages"
	waiting := make(chan int, 1)
	waiting <- 0
	monitoring := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any
		if path, _ := url.PathUnescape(r.URL.Path); strings.Contains(path, "metricDescriptors/") {
			answer = map[string]string{"metricKind": "GAUGE", "valueType": "INT64", "type": metric}
		} else {
			n := <-waiting
			waiting <- n
			at := now()
			answer = map[string]any{"timeSeries": []any{map[string]any{
				"metric":   map[string]string{"type": metric},
				"resource": map[string]any{"type": "pubsub_subscription", "labels": map[string]string{"project_id": pubsub.Project, "subscription_id": "orders"}},
				"points": []any{map[string]any{
					"interval": map[string]string{"startTime": at, "endTime": at}, "value": map[string]string{"int64Value": strconv.Itoa(n)},
				}},
			}}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	s.Cleanup(monitoring.Close)
	return broker{
		kind: "gcp-pubsub",
		metadata: map[string]string{
			"subscriptionName": "projects/" + pubsub.Project + "/subscriptions/orders", "value": "2", "endpoint": monitoring.URL + "/",
		},
		set: func(n int) {
			p.Take(s.T, "orders", 1000)
			if n > 0 {
				p.Publish(s.T, "orders", n)
			}
			<-waiting
			waiting <- p.Waiting(s.T, "orders")
		},
	}
}

func postgresqlTable(s *story) broker {
	p := postgresql.Start(s.T, nil, nil)
	p.Exec(s.T, "CREATE TABLE orders (id int)")
	return broker{
		kind: "postgresql", metadata: map[string]string{"query": "SELECT count(*) FROM orders", "targetQueryValue": "2"},
		secret: map[string]string{"connection": fmt.Sprintf("postgresql://%s:%s@%s/postgres?sslmode=disable", postgresql.User, postgresql.Password, p.Address)},
		set: func(n int) {
			p.Exec(s.T, fmt.Sprintf("DELETE FROM orders; INSERT INTO orders SELECT generate_series(1, %d)", n))
		},
	}
}

func mongodbCollection(s *story) broker {
	m := ferretdb.Start(s.T)
	orders := m.Client.Database("shop").Collection("orders")
	return broker{
		kind: "mongodb", metadata: map[string]string{"dbName": "shop", "collection": "orders", "query": `{"done": false}`, "queryValue": "2"},
		secret: map[string]string{"connectionString": "mongodb://" + m.Address + "/"},
		set: func(n int) {
			_, err := orders.DeleteMany(s.ctx, bson.M{})
			s.must(err)
			for range n {
				_, err := orders.InsertOne(s.ctx, bson.M{"done": false})
				s.must(err)
			}
		},
	}
}

func mqttTopic(s *story) broker {
	m := mosquitto.Start(s.T, nil)
	return broker{
		kind: "mqtt", metadata: map[string]string{"host": "mqtt://" + m.Address, "topic": "orders/waiting", "value": "2"},
		secret: map[string]string{"username": mosquitto.User, "password": mosquitto.Password},
		set:    func(n int) { m.Publish(s.T, "orders/waiting", strconv.Itoa(n), true) },
	}
}

func natsStream(s *story) broker {
	n, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, HTTPHost: "127.0.0.1", HTTPPort: -1, JetStream: true, StoreDir: s.TempDir(), NoSigs: true, NoLog: true,
	})
	s.must(err)
	n.Start()
	s.Cleanup(func() { n.Shutdown(); n.WaitForShutdown() })
	if !n.ReadyForConnections(20 * time.Second) {
		s.Fatal("the NATS server does not start")
	}
	c, err := nats.Connect(n.ClientURL())
	s.must(err)
	s.Cleanup(c.Close)
	js, err := jetstream.New(c)
	s.must(err)
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
	defer cancel()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "orders", Subjects: []string{"orders.>"}, Storage: jetstream.MemoryStorage})
	s.must(err)
	_, err = js.CreateConsumer(ctx, "orders", jetstream.ConsumerConfig{Durable: "workers", AckPolicy: jetstream.AckExplicitPolicy, MemoryStorage: true})
	s.must(err)
	return broker{
		kind: "nats-jetstream",
		metadata: map[string]string{
			"natsServerMonitoringEndpoint": n.MonitorAddr().String(), "stream": "orders", "consumer": "workers", "lagThreshold": "2",
		},
		set: func(n int) {
			s.must(stream.Purge(s.ctx))
			for range n {
				_, err := js.Publish(s.ctx, "orders.new", nil)
				s.must(err)
			}
		},
	}
}
