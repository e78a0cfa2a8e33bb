package decide

import (
	"testing"

	"github.com/kedago/keda/internal/model"
)

func BenchmarkReplicas(b *testing.B) {
	for name, in := range map[string]Input{
		"idle":          input(workload(), 0, good(0)),
		"activate":      input(workload(), 0, good(500)),
		"hold":          input(workload(), 40, good(200)),
		"five triggers": input(workload(), 40, good(200), good(0), good(3), failing(good(1)), good(9)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Replicas(in)
			}
		})
	}
}

func BenchmarkStatus(b *testing.B) {
	in := input(workload(), 40, good(200))
	d := Replicas(in)
	target := model.GVKR{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}
	first := Status(StatusInput{Input: in, Decision: d, Target: target})
	b.ReportAllocs()
	for b.Loop() {
		next := Status(StatusInput{Previous: first, Input: in, Decision: d, Target: target})
		if !Equal(first, next) {
			b.Fatal("a status that did not change differs")
		}
	}
}
