package metricsapi

import (
	"math"
	"testing"
)

func TestToQuantity(t *testing.T) {
	tests := map[string]struct {
		value float64
		want  string
		milli int64
	}{
		"zero":                           {0, "0", 0},
		"a whole number":                 {50, "50", 50_000},
		"thousandths":                    {12.345, "12345m", 12_345},
		"no noise of binary fractions":   {1.1, "1100m", 1100},
		"rounded to the nearest":         {0.0016, "2m", 2},
		"never rounded to zero":          {0.0001, "1m", 1},
		"never rounded to zero, below":   {-0.0001, "-1m", -1},
		"negative":                       {-2.5, "-2500m", -2500},
		"large":                          {4e15, "4P", 4_000_000_000_000_000_000},
		"larger than thousandths hold":   {1e16, "9223372036854775807m", math.MaxInt64},
		"larger than a whole number":     {1e300, "9223372036854775807m", math.MaxInt64},
		"very negative":                  {-1e300, "-9223372036854775807m", -math.MaxInt64},
		"the edge of what is countable":  {math.MaxInt64 / 1000, "9223372036854775807m", math.MaxInt64},
		"the largest of a float's steps": {9.2e15, "9200T", 9_200_000_000_000_000_000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q, err := toQuantity(tt.value)
			if err != nil {
				t.Fatal(err)
			}
			if got := q.String(); got != tt.want {
				t.Errorf("%v is written as %s, want %s", tt.value, got, tt.want)
			}
			if got := q.MilliValue(); got != tt.milli {
				t.Errorf("the HPA reads %v as %d thousandths, want %d", tt.value, got, tt.milli)
			}
		})
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if q, err := toQuantity(v); err == nil {
			t.Errorf("%v gives the quantity %s, want an error", v, q.String())
		}
	}
}
