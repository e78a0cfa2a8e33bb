package couchdb

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// pageSize is how many documents' IDs are fetched at once; the server's own
	// default of 25 would end the count there.
	pageSize = 5000
	// mostPages bounds what one poll costs.
	mostPages = 20
)

// finder counts what a query finds.
type finder struct {
	client   *conn.HTTPClient
	at       *url.URL
	query    map[string]json.RawMessage
	limit    int
	user     string
	password param.Hidden
}

// page is an answer of _find: https://docs.couchdb.org/en/stable/api/database/find.html
type page struct {
	Docs     *[]json.RawMessage `json:"docs"`
	Bookmark string             `json:"bookmark"`
	Warning  string             `json:"warning"`
}

func (f *finder) count(ctx context.Context) (scaler.Reading, error) {
	doing := "counting documents of CouchDB at " + f.at.Host
	header := http.Header{"Accept": {"application/json"}}
	if f.user != "" {
		header.Set("Authorization", conn.Basic(f.user, f.password))
	}
	var r scaler.Reading
	n, bookmark := 0, ""
	for range mostPages {
		size := pageSize
		if f.limit > 0 {
			size = min(size, f.limit-n)
		}
		got, err := f.page(ctx, header, size, bookmark, doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		n += len(*got.Docs)
		if got.Warning != "" {
			r.Note = "the server has no index for the query and reads all documents"
		}
		r.Value = float64(n)
		if len(*got.Docs) < size || n == f.limit {
			return r, nil
		}
		if got.Bookmark == "" || got.Bookmark == "nil" || got.Bookmark == bookmark {
			break
		}
		bookmark = got.Bookmark
	}
	r.Note = fmt.Sprintf("there may be more than the %d documents that were counted", n)
	return r, nil
}

func (f *finder) page(ctx context.Context, header http.Header, size int, bookmark, doing string) (page, error) {
	body := maps.Clone(f.query)
	body["fields"] = json.RawMessage(`["_id"]`)
	body["limit"] = json.RawMessage(strconv.Itoa(size))
	if bookmark != "" {
		body["bookmark"], _ = json.Marshal(bookmark) // a string can be encoded
		delete(body, "skip")                         // the first page has skipped
	}
	req, err := conn.NewPostJSON(f.at, header, body)
	if err != nil {
		return page{}, scaler.Misconfigured(err, "%s: encoding the query", doing)
	}
	var got page
	err = f.client.AskJSON(ctx, req, conn.Refusals{
		BadRequest: "it can't run the query; try the same by hand, it tells why",
		NotFound:   "there is no such database",
	}, &got, doing)
	if err != nil {
		return page{}, err
	}
	if got.Docs == nil || len(*got.Docs) > size {
		return page{}, scaler.BadAnswer(fmt.Errorf("the answer has no list docs of at most %d documents", size), "%s", doing)
	}
	return got, nil
}
