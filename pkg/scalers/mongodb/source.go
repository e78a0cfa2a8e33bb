package mongodb

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/kedago/keda/pkg/scaler"
)

// source measures one query.
type source struct {
	config  *config
	client  *client
	release func()
}

var _ scaler.Hosted = (*source)(nil)

// Host implements scaler.Hosted.
func (s *source) Host() string { return s.config.address() }

// Close implements scaler.Source.
func (s *source) Close() error { s.release(); return nil }

// Measure implements scaler.Source.
func (s *source) Measure(ctx context.Context) (scaler.Reading, error) {
	doing := fmt.Sprintf("asking the collection %s.%s", s.config.database, s.config.collection)
	c, err := s.client.get(ctx)
	if err != nil {
		return scaler.Reading{}, failed(err, doing)
	}
	from := c.Database(s.config.database).Collection(s.config.collection)
	if s.config.pipeline == nil {
		n, err := from.CountDocuments(ctx, s.config.filter)
		if err != nil {
			return scaler.Reading{}, failed(s.client.dialer.explain(err), doing)
		}
		return scaler.Reading{Value: float64(n)}, nil
	}
	return s.aggregate(ctx, from, doing)
}

func (s *source) aggregate(ctx context.Context, from *mongo.Collection, doing string) (scaler.Reading, error) {
	cursor, err := from.Aggregate(ctx, s.config.pipeline)
	if err != nil {
		return scaler.Reading{}, failed(s.client.dialer.explain(err), doing)
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	if !cursor.Next(ctx) {
		if err := cursor.Err(); err != nil {
			return scaler.Reading{}, failed(err, doing)
		}
		if s.counts() {
			return scaler.Reading{}, nil
		}
		return scaler.Reading{}, scaler.Missing(nil, "%s: the aggregation returns no document; expected one with one number", doing)
	}
	var doc bson.D
	if err := cursor.Decode(&doc); err != nil {
		return scaler.Reading{}, scaler.BadAnswer(nil, "%s: the answer is no document", doing)
	}
	n, err := number(doc)
	if err != nil {
		return scaler.Reading{}, fmt.Errorf("%s: %w", doing, err)
	}
	r := scaler.Reading{Value: n}
	if cursor.Next(ctx) {
		r.Note = "the aggregation returned more than one document; the first counts"
	} else if err := cursor.Err(); err != nil {
		return scaler.Reading{}, failed(err, doing)
	}
	return r, nil
}

// counts says whether the last stage is $count, which gives no document
// rather than one with 0.
func (s *source) counts() bool {
	return s.config.pipeline[len(s.config.pipeline)-1][0].Key == "$count"
}

// number finds the one field that is not the identifier. Its value is not
// shown in errors, it is the user's data.
func number(doc bson.D) (float64, error) {
	var fields bson.D
	for _, e := range doc {
		if e.Key != "_id" {
			fields = append(fields, e)
		}
	}
	if len(fields) != 1 {
		return 0, scaler.Misconfigured(nil, "the aggregation returns a document with %d fields beside _id; expected one, a number", len(fields))
	}
	var n float64
	switch v := fields[0].Value.(type) {
	case nil:
		return 0, scaler.BadAnswer(nil, "the field %q is null; expected a number, such as $ifNull gives", fields[0].Key)
	case int32:
		n = float64(v)
	case int64:
		n = float64(v)
	case float64:
		n = v
	case bson.Decimal128:
		var err error
		if n, err = strconv.ParseFloat(v.String(), 64); err != nil {
			return 0, scaler.BadAnswer(nil, "the field %q is out of range", fields[0].Key)
		}
	default:
		return 0, scaler.Misconfigured(nil, "the field %q is a %T; expected a number", fields[0].Key, v)
	}
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, scaler.BadAnswer(nil, "the field %q is %v; expected a finite number", fields[0].Key, n)
	}
	return n, nil
}
