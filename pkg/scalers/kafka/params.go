package kafka

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kedago/keda/pkg/scaler/param"
)

// config is one trigger's parameters. It stays unchanged once decoded.
type config struct {
	servers    []string
	group      string
	topics     []string
	topicRegex string
	pattern    *regexp.Regexp // of topicRegex; nil without it
	limit      partitions
	threshold  int64
	activation int64
	reset      string
	version    string
	rules      rules
	auth       auth
	limitText  string
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.List("bootstrapServers", &c.servers).Alias("brokerList").From(param.Metadata, param.Env).Required().Example("kafka.svc:9092").
			Doc("Brokers to ask first, host:port, separated by commas."),
		param.Text("consumerGroup", &c.group).From(param.Metadata, param.Env).Required().Example("my-group").
			Doc("Consumer group whose committed offsets are read."),
		param.List("topic", &c.topics).From(param.Metadata, param.Env).Example("test-topic").
			Doc("Topics whose lag is added up, separated by commas; all topics that the group has committed offsets for when neither this nor topicRegex is set."),
		param.Text("topicRegex", &c.topicRegex).From(param.Metadata, param.Env).Example(`orders\..*`).
			Doc("Regular expression (RE2) in place of topic; every topic whose whole name matches counts, also one that the group has not read yet. " +
				"New topics are noticed within a minute."),
		param.Text("partitionLimitation", &c.limitText).Example("1,2-4,9").
			Doc("Partitions to look at, numbers and ranges separated by commas; all when unset."),
		param.Int("lagThreshold", &c.threshold).Default(10).Max(1e12).Target().Doc("Lag per replica, in records."),
		param.Int("activationLagThreshold", &c.activation).Min(0).Activation().Doc("Lag above which the workload is active, in records."),
		param.Text("offsetResetPolicy", &c.reset).OneOf("latest", "earliest").Default("latest").
			Doc("Where the consumers begin on a partition without a committed offset: with latest such a partition counts as one record, " +
				"so that a consumer starts and commits; with earliest all its records count."),
		param.Bool("allowIdleConsumers", &c.rules.allowIdle).Default(false).Doc("Whether more replicas than partitions may be asked for."),
		param.Bool("excludePersistentLag", &c.rules.excludePersistent).Default(false).
			Doc("Whether partitions whose committed offset does not move are left out of the lag; they still keep the workload active."),
		param.Bool("scaleToZeroOnInvalidOffset", &c.rules.zeroOnInvalid).Default(false).
			Doc("Whether partitions without a valid committed offset count as nothing."),
		param.Bool("limitToPartitionsWithLag", &c.rules.limitToLagging).Default(false).
			Doc("Whether no more replicas are asked for than partitions have lag."),
		param.Bool("ensureEvenDistributionOfPartitions", &c.rules.even).Default(false).
			Doc("Whether the replicas asked for always divide the number of partitions evenly."),
		param.Text("version", &c.version).Doc("Version of the brokers; not needed, it is negotiated."),
	}.With(c.auth.params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	c.checkNames(&ps)
	c.checkPattern(&ps)
	var err error
	if c.limit, err = parsePartitions(c.limitText); err != nil {
		ps.Errorf("metadata.partitionLimitation", "%v; expected numbers and ranges such as 1,2-4,9", err)
	}
	if c.limit != nil && c.ofGroup() {
		ps.Warnf("metadata.partitionLimitation", "has no effect without topic or topicRegex")
		c.limit = nil
	}
	clash := func(name, other string) {
		ps.Errorf("metadata."+name, "can't be used with %s; expected one of them", other)
	}
	needsTopic := func(name string) {
		if c.ofGroup() {
			ps.Errorf("metadata."+name, "needs metadata.topic or metadata.topicRegex, and both are missing")
		}
	}
	if c.rules.limitToLagging {
		if c.rules.allowIdle {
			clash("limitToPartitionsWithLag", "allowIdleConsumers")
		}
		if c.rules.even {
			clash("limitToPartitionsWithLag", "ensureEvenDistributionOfPartitions")
		}
		needsTopic("limitToPartitionsWithLag")
	}
	if c.rules.even {
		needsTopic("ensureEvenDistributionOfPartitions")
	}
	c.rules.threshold, c.rules.earliest = c.threshold, c.reset == "earliest"
	return append(ps, c.auth.check()...)
}

// ofGroup says whether the group's own topics count, since none is named.
func (c *config) ofGroup() bool { return len(c.topics) == 0 && c.pattern == nil }

func (c *config) checkPattern(ps *param.Problems) {
	c.pattern = nil
	if c.topicRegex == "" {
		return
	}
	if len(c.topics) > 0 {
		ps.Errorf("metadata.topicRegex", "can't be used with topic; expected one of them")
		return
	}
	var err error
	if c.pattern, err = regexp.Compile(`^(?:` + c.topicRegex + `)$`); err != nil {
		ps.Errorf("metadata.topicRegex", "found %q, which is no regular expression; expected one as RE2 has it, such as orders\\..*", c.topicRegex)
	}
}

// topicName is what brokers accept as a topic's name.
var topicName = param.NewForm(`^[a-zA-Z0-9._-]+$`, 249)

func (c *config) checkNames(ps *param.Problems) {
	for _, s := range c.servers {
		if !isAddress(s) {
			ps.Errorf("metadata.bootstrapServers", "found %q; expected host:port, such as kafka.svc:9092", s)
		}
	}
	for _, t := range c.topics {
		if !topicName.MatchString(t) || t == "." || t == ".." {
			ps.Errorf("metadata.topic", "found %q; expected letters, digits, dots, underscores and hyphens, at most 249", t)
		}
	}
}

func isAddress(s string) bool {
	if !strings.Contains(s, ":") {
		return !strings.ContainsAny(s, "/ ") // the port is then 9092
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, "/ ") {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 1<<16
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	if len(c.topics) == 0 {
		return "kafka-" + c.group + "-topics"
	}
	return "kafka-" + strings.Join(c.topics, "-")
}

// partitions is a set of partition numbers as closed ranges; nil means all.
type partitions [][2]int32

func parsePartitions(text string) (partitions, error) {
	var out partitions
	for _, item := range param.SplitList(text) {
		low, high, isRange := strings.Cut(item, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.ParseUint(strings.TrimSpace(low), 10, 31)
		if err != nil {
			return nil, fmt.Errorf("found %q", item)
		}
		to, err := strconv.ParseUint(strings.TrimSpace(high), 10, 31)
		if err != nil || to < from {
			return nil, fmt.Errorf("found %q", item)
		}
		out = append(out, [2]int32{int32(from), int32(to)})
	}
	return out, nil
}

func (ps partitions) contains(n int) bool {
	return ps == nil || slices.ContainsFunc(ps, func(r [2]int32) bool { return int(r[0]) <= n && n <= int(r[1]) })
}
