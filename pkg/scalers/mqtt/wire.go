package mqtt

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	v3 "github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/kedago/keda/pkg/scaler"
)

// maxPacket is the largest packet read, in bytes.
const maxPacket = 4 << 20

// keepAlive is how long the broker waits for a sign of life, in seconds, and
// how long we wait for one of the broker's.
const keepAlive = 30

// login is what a client says of itself.
type login struct{ clientID, username, password string }

// event is a packet of the broker, in the terms of both versions.
type event struct {
	kind    eventKind
	id      uint16 // of a subscribed
	topic   string
	payload []byte
	// refused is why the broker accepts no connection or subscription, or
	// ends the connection.
	refused error
}

type eventKind int

const (
	connected eventKind = iota
	subscribed
	published
	ponged
	ended
	other
)

// wire writes and reads packets of one version. Subscriptions have QoS 0, so
// nothing has to be acknowledged.
type wire interface {
	connect(w io.Writer, l login) error
	subscribe(w io.Writer, id uint16, filter string) error
	unsubscribe(w io.Writer, id uint16, filter string) error
	ping(w io.Writer) error
	disconnect(w io.Writer) error
	read(r *bufio.Reader) (event, error)
}

// errNotMQTT is an answer that is no packet that may come now.
var errNotMQTT = errors.New("the server does not answer as an MQTT broker does")

// checkSize looks at a packet's length before it is read.
func checkSize(r *bufio.Reader) error {
	size, shift := 0, 0
	for i := 1; i <= 4; i++ {
		head, err := r.Peek(i + 1)
		if err != nil {
			return err
		}
		b := head[i]
		size |= int(b&0x7f) << shift
		if shift += 7; b&0x80 == 0 {
			if size > maxPacket {
				return scaler.BadAnswer(fmt.Errorf("a message is larger than %d bytes", maxPacket), "reading messages")
			}
			return nil
		}
	}
	return errNotMQTT
}

// wire3 speaks MQTT 3.1.1.
type wire3 struct{}

func (wire3) connect(w io.Writer, l login) error {
	p := v3.NewControlPacket(v3.Connect).(*v3.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession, p.Keepalive = "MQTT", 4, true, keepAlive
	p.ClientIdentifier = l.clientID
	p.Username, p.UsernameFlag = l.username, l.username != ""
	if l.password != "" && p.UsernameFlag { // 3.1.1 has no password without a user
		p.Password, p.PasswordFlag = []byte(l.password), true
	}
	return p.Write(w)
}

func (wire3) subscribe(w io.Writer, id uint16, filter string) error {
	p := v3.NewControlPacket(v3.Subscribe).(*v3.SubscribePacket)
	p.MessageID, p.Topics, p.Qoss = id, []string{filter}, []byte{0}
	return p.Write(w)
}

func (wire3) unsubscribe(w io.Writer, id uint16, filter string) error {
	p := v3.NewControlPacket(v3.Unsubscribe).(*v3.UnsubscribePacket)
	p.MessageID, p.Topics = id, []string{filter}
	return p.Write(w)
}

func (wire3) ping(w io.Writer) error       { return v3.NewControlPacket(v3.Pingreq).Write(w) }
func (wire3) disconnect(w io.Writer) error { return v3.NewControlPacket(v3.Disconnect).Write(w) }

func (wire3) read(r *bufio.Reader) (event, error) {
	if err := checkSize(r); err != nil {
		return event{}, err
	}
	p, err := v3.ReadPacket(r)
	if err != nil {
		return event{}, malformed(err)
	}
	switch p := p.(type) {
	case *v3.ConnackPacket:
		return event{kind: connected, refused: refusal3(p.ReturnCode)}, nil
	case *v3.SubackPacket:
		e := event{kind: subscribed, id: p.MessageID}
		if len(p.ReturnCodes) != 1 || p.ReturnCodes[0] >= 0x80 {
			e.refused = scaler.Denied(errors.New("the broker refuses the subscription"), "subscribing")
		}
		return e, nil
	case *v3.PublishPacket:
		return event{kind: published, topic: p.TopicName, payload: p.Payload}, nil
	case *v3.PingrespPacket:
		return event{kind: ponged}, nil
	}
	return event{kind: other}, nil
}

// malformed tells what is no packet from what the network did.
func malformed(err error) error {
	if scaler.IsNetwork(err) {
		return err
	}
	return errNotMQTT
}

// refusal3 is what a return code of CONNACK means, see MQTT 3.1.1, 3.2.2.3.
func refusal3(code byte) error {
	const doing = "connecting"
	switch code {
	case v3.Accepted:
		return nil
	case v3.ErrRefusedBadProtocolVersion:
		return scaler.Misconfigured(errors.New("the broker does not speak MQTT 3.1.1; try protocolVersion 5"), doing)
	case v3.ErrRefusedIDRejected:
		return scaler.Misconfigured(errors.New("the broker does not take the client identifier"), doing)
	case v3.ErrRefusedServerUnavailable:
		return scaler.Unreachable(errors.New("the broker is not available"), doing)
	case v3.ErrRefusedBadUsernameOrPassword, v3.ErrRefusedNotAuthorised:
		return scaler.Denied(errors.New("the broker refuses the user or the password"), doing)
	}
	return scaler.BadAnswer(fmt.Errorf("the broker refuses with the unknown code %d", code), doing)
}
