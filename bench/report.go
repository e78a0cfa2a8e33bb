package main

import (
	"bufio"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is what is printed. Times are seconds.
type report struct {
	Date         string `json:"date"`
	CPUs         int    `json:"cpus"`
	MachineMiB   int    `json:"machineMemoryMiB"`
	N            int    `json:"n"`
	Source       string `json:"source"`
	Server       string `json:"server"`
	Partitions   int    `json:"partitions,omitempty"`
	API          string `json:"api"`
	HPAClientQPS int    `json:"hpaClientQPS"`

	// ApplySeconds is how long creating the ScaledObjects itself took.
	ApplySeconds float64 `json:"applySeconds"`
	// HPASeconds is from the first ScaledObject's creation until all HPAs exist.
	HPASeconds float64 `json:"hpaSeconds"`
	// ActiveSeconds is the same until all active workloads have a replica.
	ActiveSeconds float64 `json:"activeSeconds"`

	// SetUpCPUSeconds is what the operator used from the first creation until
	// everything had settled.
	SetUpCPUSeconds float64 `json:"setUpCPUSeconds"`
	// SetUpRequests are its requests to the API server in that time, per
	// ScaledObject and by method.
	SetUpRequests map[string]float64 `json:"setUpRequestsPerObject"`
	// SetUpSource are its requests to the source in that time, in all.
	SetUpSource map[string]int64 `json:"setUpRequestsAtSource"`

	Rest    resting   `json:"rest"`
	Item    quantiles `json:"itemSeconds"`
	Backlog backlog   `json:"backlog"`
}

// resting is the cost of all roles, in one process, while nothing happens.
type resting struct {
	Seconds           float64            `json:"seconds"`
	MemoryMiB         float64            `json:"memoryMiB"`
	AnonymousMiB      float64            `json:"memoryAnonymousMiB"`
	FileMiB           float64            `json:"memoryFileMiB"`
	PeakMiB           float64            `json:"peakMemoryMiB"`
	EmptyMiB          float64            `json:"emptyMemoryMiB"`
	CPUMillicores     float64            `json:"cpuMillicores"`
	Connections       int64              `json:"connections"`
	RoundTripsPerSec  float64            `json:"roundTripsPerSecond"`
	RequestsPerSecond float64            `json:"requestsPerSecond"`
	BytesPerSecond    float64            `json:"bytesPerSecond"`
	Requests          map[string]float64 `json:"requestsPerSecondByKind"`
}

// backlog is how 500 items at once are answered.
type backlog struct {
	// Seconds is until the Deployment asks for 100 replicas.
	Seconds quantiles `json:"secondsTo100"`
	// FirstWrite is how many replicas the first write asked for, per try.
	FirstWrite []int32 `json:"firstWriteReplicas"`
	// FirstSeconds is until that write.
	FirstSeconds quantiles `json:"firstWriteSeconds"`
}

// quantiles of the tries that succeeded. Missed counts the others.
type quantiles struct {
	Tries  int     `json:"tries"`
	Missed int     `json:"missed"`
	P50    float64 `json:"p50"`
	P90    float64 `json:"p90"`
	Max    float64 `json:"max"`
}

// summarize takes one duration per try, negative for one that never succeeded.
func summarize(tries []time.Duration) quantiles {
	q := quantiles{Tries: len(tries)}
	good := slices.DeleteFunc(slices.Clone(tries), func(d time.Duration) bool { return d < 0 })
	q.Missed = len(tries) - len(good)
	if len(good) == 0 {
		return q
	}
	slices.Sort(good)
	// The nearest rank, so that each figure is one that was measured.
	at := func(p float64) float64 { return seconds(good[int(math.Ceil(p*float64(len(good))))-1]) }
	q.P50, q.P90, q.Max = at(0.5), at(0.9), at(1)
	return q
}

// seconds rounds to milliseconds.
func seconds(d time.Duration) float64 { return round(d.Seconds(), 3) }

func round(v float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(v*scale) / scale
}

func newReport(o options, server string, at time.Time) *report {
	r := &report{
		Date: at.UTC().Format(time.DateOnly), CPUs: runtime.NumCPU(), MachineMiB: machineMiB(),
		N: o.n, Source: o.source, Server: server, API: o.api, HPAClientQPS: o.hpaQPS,
	}
	if r.HPAClientQPS == 0 {
		r.HPAClientQPS = 20
	}
	if o.source == "kafka" {
		r.Partitions = o.partitions
	}
	return r
}

// machineMiB is the machine's memory, 0 where it can't be read.
func machineMiB() int {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib >> 10
		}
	}
	return 0
}
