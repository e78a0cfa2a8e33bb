package mqtt

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	v5 "github.com/eclipse/paho.golang/packets"

	"github.com/kedago/keda/pkg/scaler"
)

// wire5 speaks MQTT 5.
type wire5 struct{}

func write5(w io.Writer, p *v5.ControlPacket) error {
	_, err := p.WriteTo(w)
	return err
}

func (wire5) connect(w io.Writer, l login) error {
	p := v5.NewControlPacket(v5.CONNECT)
	c := p.Content.(*v5.Connect)
	c.ProtocolName, c.ProtocolVersion, c.CleanStart, c.KeepAlive = "MQTT", 5, true, keepAlive
	c.ClientID = l.clientID
	c.Username, c.UsernameFlag = l.username, l.username != ""
	c.Password, c.PasswordFlag = []byte(l.password), l.password != ""
	most := uint32(maxPacket)
	c.Properties = &v5.Properties{MaximumPacketSize: &most}
	return write5(w, p)
}

func (wire5) subscribe(w io.Writer, id uint16, filter string) error {
	p := v5.NewControlPacket(v5.SUBSCRIBE)
	s := p.Content.(*v5.Subscribe)
	s.PacketID, s.Subscriptions = id, []v5.SubOptions{{Topic: filter}}
	return write5(w, p)
}

func (wire5) unsubscribe(w io.Writer, id uint16, filter string) error {
	p := v5.NewControlPacket(v5.UNSUBSCRIBE)
	u := p.Content.(*v5.Unsubscribe)
	u.PacketID, u.Topics = id, []string{filter}
	return write5(w, p)
}

func (wire5) ping(w io.Writer) error       { return write5(w, v5.NewControlPacket(v5.PINGREQ)) }
func (wire5) disconnect(w io.Writer) error { return write5(w, v5.NewControlPacket(v5.DISCONNECT)) }

func (wire5) read(r *bufio.Reader) (event, error) {
	if err := checkSize(r); err != nil {
		return event{}, err
	}
	p, err := v5.ReadPacket(r)
	if err != nil {
		return event{}, malformed(err)
	}
	switch c := p.Content.(type) {
	case *v5.Connack:
		return event{kind: connected, refused: refusal5(c.ReasonCode, "connecting")}, nil
	case *v5.Suback:
		e := event{kind: subscribed, id: c.PacketID, refused: errNotMQTT}
		if len(c.Reasons) == 1 {
			e.refused = refusal5(c.Reasons[0], "subscribing")
		}
		return e, nil
	case *v5.Publish:
		return event{kind: published, topic: c.Topic, payload: c.Payload}, nil
	case *v5.Pingresp:
		return event{kind: ponged}, nil
	case *v5.Disconnect:
		e := event{kind: ended, refused: refusal5(c.ReasonCode, "reading messages")}
		if e.refused == nil {
			e.refused = scaler.Unreachable(errors.New("the broker ended the connection"), "reading messages")
		}
		return e, nil
	}
	return event{kind: other}, nil
}

// refusal5 is what a reason code means, see MQTT 5, 2.4.
func refusal5(code byte, doing string) error {
	const failures = 0x80
	if code < failures {
		return nil
	}
	why := func(text string) error { return fmt.Errorf("%s (reason code 0x%02X)", text, code) }
	switch code {
	case 0x84:
		return scaler.Misconfigured(why("the broker does not speak MQTT 5; try protocolVersion 3.1.1"), "%s", doing)
	case 0x85:
		return scaler.Misconfigured(why("the broker does not take the client identifier"), "%s", doing)
	case 0x86, 0x87, 0x8A, 0x8C:
		return scaler.Denied(why("the broker refuses the user, the password or the permission"), "%s", doing)
	case 0x8E:
		return scaler.Misconfigured(why("another client connected with the same clientID"), "%s", doing)
	case 0x8F, 0x90, 0xA1, 0xA2:
		return scaler.Misconfigured(why("the broker does not take the topic"), "%s", doing)
	case 0x9C, 0x9D:
		return scaler.Misconfigured(why("the broker names another server"), "%s", doing)
	case 0x81, 0x82:
		return scaler.BadAnswer(why("the broker does not understand us"), "%s", doing)
	}
	return scaler.Unreachable(why("the broker refuses"), "%s", doing)
}
