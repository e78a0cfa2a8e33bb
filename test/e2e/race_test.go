//go:build race

package e2e

// raceEnabled builds the operator with the race detector when the tests are.
const raceEnabled = true
