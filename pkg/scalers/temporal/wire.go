package temporal

import (
	"bytes"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is one in the wire format of Protocol Buffers:
// https://protobuf.dev/programming-guides/encoding/
type message []byte

// text returns the message with a field added; empty ones are left out.
func (m message) text(field protowire.Number, s string) message {
	if s == "" {
		return m
	}
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), s)
}

// number returns the message with a field added.
func (m message) number(field protowire.Number, n uint64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), n)
}

// flag returns the message with a field added, if it is set.
func (m message) flag(field protowire.Number, on bool) message {
	if !on {
		return m
	}
	return m.number(field, 1)
}

// within returns the message with another one as a field of it.
func (m message) within(field protowire.Number, inner message) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), inner)
}

var errNoMessage = errors.New("the answer is not in the form expected")

// walk calls each with the fields of a message that are numbers, or texts and
// messages.
func (m message) walk(each func(field protowire.Number, number uint64, inner message) error) error {
	for len(m) > 0 {
		field, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return errNoMessage
		}
		m = m[n:]
		var number uint64
		var inner []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(m)
		case protowire.BytesType:
			inner, n = protowire.ConsumeBytes(m)
		default:
			n = protowire.ConsumeFieldValue(field, kind, m)
		}
		if n < 0 {
			return errNoMessage
		}
		m = m[n:]
		if kind != protowire.VarintType && kind != protowire.BytesType {
			continue
		}
		if err := each(field, number, inner); err != nil {
			return err
		}
	}
	return nil
}

// raw is gRPC's codec of messages that are written and read here.
type raw struct{}

// Name implements encoding.Codec: to the server it is Protocol Buffers.
func (raw) Name() string { return "proto" }

// Marshal implements encoding.Codec.
func (raw) Marshal(v any) ([]byte, error) {
	m, ok := v.(*message)
	if !ok {
		return nil, errNoMessage
	}
	return *m, nil
}

// Unmarshal implements encoding.Codec.
func (raw) Unmarshal(data []byte, v any) error {
	m, ok := v.(*message)
	if !ok {
		return errNoMessage
	}
	*m = bytes.Clone(data)
	return nil
}
