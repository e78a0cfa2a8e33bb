// Command newscaler writes the start of a scaler and of its test:
//
//	go run ./hack/newscaler acme/queue
//
// writes pkg/scalers/acme/queue.go and pkg/scalers/acme/queue_test.go for the
// trigger type acme-queue.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: newscaler <folder>/<source>, for example acme/queue")
		os.Exit(2)
	}
	told, err := create("pkg/scalers", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "newscaler:", err)
		os.Exit(1)
	}
	fmt.Println(told)
}
