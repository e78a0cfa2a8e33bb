package cassandra

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// first is the number in the first row, and how many rows there are: 2 stands
// for all more than one.
func first(ctx context.Context, query *gocql.Query) (n number, rows int, err error) {
	iter := query.PageSize(2).IterContext(ctx)
	rows = min(iter.NumRows(), 2)
	if columns := len(iter.Columns()); rows > 0 && columns != 1 {
		_ = iter.Close()
		return number{err: fmt.Errorf("the query returned %d columns; expected one", columns)}, rows, nil
	}
	if rows > 0 {
		iter.Scan(&n)
	}
	return n, rows, iter.Close()
}

var errMalformed = errors.New("the number is malformed")

// number is a column's value. What is none is told by err, which does not
// repeat the value.
type number struct {
	value float64
	err   error
}

// UnmarshalCQL implements gocql.Unmarshaler.
func (n *number) UnmarshalCQL(info gocql.TypeInfo, data []byte) error {
	n.value, n.err = 0, nil
	if data == nil {
		n.err = errors.New("the number is null")
		return nil
	}
	switch info.Type() {
	case gocql.TypeInt, gocql.TypeBigInt, gocql.TypeCounter, gocql.TypeSmallInt, gocql.TypeTinyInt, gocql.TypeVarint:
		n.value, n.err = decode(info, data, func(v *big.Int) float64 { f, _ := new(big.Float).SetInt(v).Float64(); return f })
	case gocql.TypeDouble:
		n.value, n.err = decode(info, data, func(v *float64) float64 { return *v })
	case gocql.TypeFloat:
		n.value, n.err = decode(info, data, func(v *float32) float64 { return float64(*v) })
	case gocql.TypeDecimal:
		n.value, n.err = decimal(data)
	default:
		n.err = errors.New("the column's type is none of numbers")
	}
	return nil
}

func decode[T any](info gocql.TypeInfo, data []byte, value func(*T) float64) (float64, error) {
	v := new(T)
	if err := gocql.Unmarshal(info, data, v); err != nil {
		return 0, errMalformed
	}
	n := value(v)
	return finite(n)
}

// decimal reads a whole number after how many of its digits are behind the
// point.
func decimal(data []byte) (float64, error) {
	const most = 1000 // digits, far beyond what a float64 can tell apart
	if len(data) < 5 {
		return 0, errMalformed
	}
	scale := int32(binary.BigEndian.Uint32(data)) //nolint:gosec // the sign is meant
	if scale < -most || scale > most {
		return 0, errMalformed
	}
	whole := new(big.Int).SetBytes(data[4:])
	if data[4]&0x80 != 0 { // two's complement
		whole.Sub(whole, new(big.Int).Lsh(big.NewInt(1), uint(len(data)-4)*8))
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, -scale))), nil)
	r := new(big.Rat).SetInt(whole)
	if scale > 0 {
		r.Quo(r, new(big.Rat).SetInt(power))
	} else {
		r.Mul(r, new(big.Rat).SetInt(power))
	}
	n, _ := r.Float64()
	return finite(n)
}

func finite(n float64) (float64, error) {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errors.New("the number is not finite")
	}
	return n, nil
}
