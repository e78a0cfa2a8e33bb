package seleniumgrid

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// query asks for all that any trigger of a Grid needs:
// https://www.selenium.dev/documentation/grid/advanced_features/graphql_support/
const query = "{ nodesInfo { nodes { status, sessionCount, maxSession, stereotypes, sessions { slot { stereotype } } } }, sessionsInfo { sessionQueueRequests } }"

// source is one trigger.
type source struct {
	client *conn.HTTPClient
	at     *url.URL
	header http.Header
	nodes  nodes
}

// read counts what the trigger's nodes are needed for.
func (s *source) read(_ context.Context, g grid) (scaler.Reading, error) {
	return scaler.Reading{Value: float64(s.nodes.needed(g))}, nil
}

// grid is a Grid's state.
type grid struct {
	nodes    []node
	requests []capabilities
}

type node struct {
	up       bool
	free     int // sessions that it can take
	slots    []slots
	sessions []capabilities // what their slots offer
}

// slots are some of one kind.
type slots struct {
	N     int          `json:"slots"`
	Offer capabilities `json:"stereotype"`
}

// needed counts running sessions, and nodes for the requests that find no free
// slot.
func (n nodes) needed(g grid) int {
	waiting, running := 0, 0
	for _, r := range g.requests {
		if n.requested(r) {
			waiting++
		}
	}
	for _, each := range g.nodes {
		sessions := 0
		for _, offer := range each.sessions {
			if n.offered(offer) {
				sessions++
			}
		}
		running += sessions
		if !each.up {
			continue
		}
		matching := 0
		for _, s := range each.slots {
			if n.offered(s.Offer) {
				matching += s.N
			}
		}
		waiting -= max(min(each.free, matching-sessions), 0)
	}
	return running + (max(waiting, 0)+n.perNode-1)/n.perNode
}

// ask reads the Grid's state.
func (s *source) ask(ctx context.Context) (grid, error) {
	doing := "querying the Selenium Grid at " + s.at.Host
	var answer struct {
		Errors []json.RawMessage `json:"errors"`
		Data   struct {
			Nodes *struct {
				Nodes []struct {
					Status      string `json:"status"`
					Sessions    int    `json:"sessionCount"`
					Most        int    `json:"maxSession"`
					Stereotypes string `json:"stereotypes"`
					Running     []struct {
						Slot struct {
							Stereotype string `json:"stereotype"`
						} `json:"slot"`
					} `json:"sessions"`
				} `json:"nodes"`
			} `json:"nodesInfo"`
			Sessions *struct {
				Requests []string `json:"sessionQueueRequests"`
			} `json:"sessionsInfo"`
		} `json:"data"`
	}
	req, err := conn.NewPostJSON(s.at, s.header, map[string]string{"query": query})
	if err != nil {
		return grid{}, scaler.Misconfigured(err, "%s", doing)
	}
	if err := s.client.AskJSON(ctx, req, conn.Refusals{}, &answer, doing); err != nil {
		return grid{}, err
	}
	if len(answer.Errors) > 0 || answer.Data.Nodes == nil || answer.Data.Sessions == nil {
		return grid{}, scaler.BadAnswer(errors.New("the answer is not that of a Selenium Grid, or the Grid could not tell its nodes and sessions"), "%s", doing)
	}
	var g grid
	bad := scaler.BadAnswer(errors.New("the answer holds capabilities that are no JSON"), "%s", doing)
	for _, each := range answer.Data.Nodes.Nodes {
		n := node{up: strings.EqualFold(each.Status, "UP"), free: each.Most - each.Sessions}
		if !read(each.Stereotypes, &n.slots) {
			return grid{}, bad
		}
		for _, session := range each.Running {
			var offer capabilities
			if !read(session.Slot.Stereotype, &offer) {
				return grid{}, bad
			}
			n.sessions = append(n.sessions, offer)
		}
		g.nodes = append(g.nodes, n)
	}
	for _, text := range answer.Data.Sessions.Requests {
		var wanted capabilities
		if !read(text, &wanted) {
			return grid{}, bad
		}
		g.requests = append(g.requests, wanted)
	}
	return g, nil
}

// read reads JSON within JSON, and says whether it is any. Nothing is nothing.
func read(text string, into any) bool {
	return text == "" || json.Unmarshal([]byte(text), into) == nil
}
