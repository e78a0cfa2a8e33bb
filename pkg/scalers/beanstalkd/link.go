package beanstalkd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

const (
	// atOnce is how many commands are sent before their answers are read; what
	// they and their answers need fits the buffers of the network.
	atOnce = 64
	// longestBody is the largest answer taken; those of servers have 400 bytes.
	longestBody = 64 << 10
)

var (
	errRefused  = errors.New("the server refuses the command; expected OK or NOT_FOUND")
	errProtocol = errors.New("the answer is not beanstalkd's")
)

// link is the connection that all triggers of a server share. The pool closes it.
type link struct {
	dial func(context.Context) (net.Conn, error)
	turn chan struct{} // holds one value while what follows is used

	current net.Conn // nil without a connection
	reader  *bufio.Reader
	closed  bool
}

// newLink prepares a connection. It does no I/O.
func newLink(address string, o scaler.HTTPOptions) *link {
	network := conn.NewNetwork(o)
	return &link{
		turn: make(chan struct{}, 1),
		dial: func(ctx context.Context) (net.Conn, error) { return network.DialContext(ctx, "tcp", address) },
	}
}

// Close implements io.Closer. The pool calls it in the background.
func (l *link) Close() error {
	l.turn <- struct{}{}
	l.closed = true
	l.drop()
	<-l.turn
	return nil
}

func (l *link) drop() {
	if l.current != nil {
		_ = l.current.Close()
		l.current = nil
	}
}

// failed gives an error of stats its reason.
func failed(err error, doing string) error {
	if errors.Is(err, errProtocol) {
		return scaler.BadAnswer(err, "%s", doing)
	}
	return conn.NetworkError(err, doing)
}

// answer is what the server says of one tube.
type answer struct {
	absent, refused bool
	stats           string // lines of "name: value"
}

func (a answer) number(name string) (float64, error) {
	for line := range strings.Lines(a.stats) {
		if text, ok := strings.CutPrefix(line, name+": "); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 63)
			if err != nil {
				return 0, fmt.Errorf("%s is no whole number", name)
			}
			return float64(n), nil
		}
	}
	return 0, fmt.Errorf("the answer has no %s", name)
}

// stats asks for tubes. A connection that was good before may have broken
// meanwhile, so it is made anew once.
func (l *link) stats(ctx context.Context, tubes []string) ([]answer, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.closed {
		return nil, net.ErrClosed
	}
	for {
		used := l.current != nil
		answers, err := l.try(ctx, tubes)
		if err == nil {
			return answers, nil
		}
		l.drop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !used || errors.Is(err, errProtocol) {
			return nil, err
		}
	}
}

func (l *link) try(ctx context.Context, tubes []string) ([]answer, error) {
	if l.current == nil {
		c, err := l.dial(ctx)
		if err != nil {
			return nil, err
		}
		l.current, l.reader = c, bufio.NewReader(c)
	}
	c := l.current
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	out := make([]answer, 0, len(tubes))
	for part := range slices.Chunk(tubes, atOnce) {
		var commands strings.Builder
		for _, tube := range part {
			commands.WriteString("stats-tube " + tube + "\r\n")
		}
		if _, err := io.WriteString(c, commands.String()); err != nil {
			return nil, err
		}
		for range part {
			a, err := read(l.reader)
			if err != nil {
				return nil, err
			}
			out = append(out, a)
		}
	}
	if !stop() {
		return nil, ctx.Err() // the connection has a deadline by now
	}
	return out, nil
}

// read reads one answer, see stats-tube in
// https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt
func read(r *bufio.Reader) (answer, error) {
	raw, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return answer{}, errProtocol
	}
	if err != nil {
		return answer{}, err
	}
	line := strings.TrimSuffix(string(raw), "\r\n")
	switch line {
	case "NOT_FOUND":
		return answer{absent: true}, nil
	case "BAD_FORMAT", "UNKNOWN_COMMAND", "OUT_OF_MEMORY", "INTERNAL_ERROR":
		return answer{refused: true}, nil
	}
	size, ok := strings.CutPrefix(line, "OK ")
	n, err := strconv.ParseUint(size, 10, 32)
	if !ok || err != nil || n > longestBody {
		return answer{}, errProtocol
	}
	body := make([]byte, n+2)
	if _, err := io.ReadFull(r, body); err != nil {
		return answer{}, err
	}
	stats, ok := strings.CutSuffix(string(body), "\r\n")
	if !ok {
		return answer{}, errProtocol
	}
	return answer{stats: stats}, nil
}
