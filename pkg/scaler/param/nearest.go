package param

import "strings"

// Nearest returns the candidate that a user most likely meant by got, and
// false when none is close. Letter case never counts as a difference.
func Nearest(got string, candidates []string) (string, bool) {
	best, bestDistance := "", len(got)
	low := strings.ToLower(got)
	for _, c := range candidates {
		d := editDistance(low, strings.ToLower(c))
		if d < bestDistance {
			best, bestDistance = c, d
		}
	}
	limit := max(1, min(3, len(got)/3))
	return best, best != "" && bestDistance <= limit
}

// editDistance is the number of bytes to insert, drop, replace or swap with
// their neighbour that turns a into b (optimal string alignment).
func editDistance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
