package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisSource is a redis-server with one list per ScaledObject.
type redisSource struct {
	server *child
	proxy  *proxy
	client *redis.Client
	about  string
}

func startRedis(ctx context.Context, o options) (source, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("a Redis server is needed: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := startProxy(false)
	if err != nil {
		return nil, err
	}
	server, err := startChild(program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--notify-keyspace-events", o.notify)
	if err != nil {
		p.close()
		return nil, err
	}
	p.serve(local(port))
	s := &redisSource{server: server, proxy: p, client: redis.NewClient(&redis.Options{Addr: local(port)})}
	if err := server.awaitReady(ctx, func(ctx context.Context) error { return s.client.Ping(ctx).Err() }); err != nil {
		s.stop()
		return nil, err
	}
	info, err := s.info(ctx, "server", "redis_version")
	if err != nil {
		s.stop()
		return nil, err
	}
	s.about = "redis " + info["redis_version"]
	return s, nil
}

func (s *redisSource) name() string { return s.about }

func list(i int) string { return fmt.Sprintf("queue-%04d", i) }

func (s *redisSource) prepare(ctx context.Context, n int, items func(int) int, _ []int) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range n {
			if values := values(items(i)); len(values) > 0 {
				p.RPush(ctx, list(i), values...)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("filling the lists: %w", err)
	}
	return nil
}

func values(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = "item"
	}
	return out
}

func (s *redisSource) trigger(i int) (string, map[string]any) {
	return "redis", map[string]any{"address": s.proxy.address(), "listName": list(i), "listLength": strconv.Itoa(threshold)}
}

func (s *redisSource) add(ctx context.Context, i, items int) error {
	if err := s.client.RPush(ctx, list(i), values(items)...).Err(); err != nil {
		return fmt.Errorf("adding to list %s: %w", list(i), err)
	}
	return nil
}

// cost takes commands from the server's own count. Ours are left out: from
// prepare on until the tries only INFO is sent.
func (s *redisSource) cost(ctx context.Context) (cost, error) {
	stats, err := s.info(ctx, "commandstats", "cmdstat_")
	if err != nil {
		return cost{}, err
	}
	t := s.proxy.traffic()
	c := cost{connections: t.connections, trips: t.trips, bytes: t.bytes, requests: map[string]int64{}}
	for name, stat := range stats {
		if name == "cmdstat_info" {
			continue
		}
		calls, _, _ := strings.Cut(strings.TrimPrefix(stat, "calls="), ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			return cost{}, fmt.Errorf("reading Redis' command statistics: %w", err)
		}
		c.requests[strings.TrimPrefix(name, "cmdstat_")] = n
	}
	return c, nil
}

// info returns the lines of a section whose names have a prefix.
func (s *redisSource) info(ctx context.Context, section, prefix string) (map[string]string, error) {
	text, err := s.client.Info(ctx, section).Result()
	if err != nil {
		return nil, fmt.Errorf("reading Redis' %s information: %w", section, err)
	}
	out := map[string]string{}
	for _, line := range strings.Split(text, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(name, prefix) {
			out[name] = value
		}
	}
	return out, nil
}

func (s *redisSource) stop() {
	_ = s.client.Close()
	s.proxy.close()
	s.server.stop()
}
