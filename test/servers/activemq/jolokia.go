package activemqserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// jolokia is the HTTP bridge of a broker.
type jolokia struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string

	path string
}

func (s *jolokia) ready(context.Context) error {
	_, err := s.do(request{Type: "version"})
	return err
}

// request is one of Jolokia's.
type request struct {
	Type      string `json:"type"`
	MBean     string `json:"mbean,omitempty"`
	Operation string `json:"operation,omitempty"`
	Attribute string `json:"attribute,omitempty"`
	Arguments []any  `json:"arguments,omitempty"`
}

// do runs requests, all of which must succeed, and returns the last value.
func (s *jolokia) do(all ...request) (json.RawMessage, error) {
	body, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr+s.path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(User, Password)
	req.Header.Set("Origin", "http://127.0.0.1")
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var results []struct {
		Status int             `json:"status"`
		Error  string          `json:"error"`
		Value  json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(answer, &results); err != nil || len(results) != len(all) {
		return nil, fmt.Errorf("the server answered %s: %s", resp.Status, answer)
	}
	for _, r := range results {
		if r.Status != http.StatusOK {
			return nil, errors.New(r.Error)
		}
	}
	return results[len(results)-1].Value, nil
}
