package ha

import (
	"io"
	"net"
	"sync"
)

// front stands for a Service: each connection goes to the next of some
// addresses that takes it.
func (r *roles) front(addresses []string) net.Listener {
	r.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(r.ctx, "tcp", "127.0.0.1:0")
	must(r.t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for next := 0; ; next++ {
			in, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { forward(in, addresses, next) })
		}
	})
	r.t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l
}

func forward(in net.Conn, addresses []string, first int) {
	defer func() { _ = in.Close() }()
	for i := range addresses {
		out, err := net.Dial("tcp", addresses[(first+i)%len(addresses)])
		if err != nil {
			continue
		}
		var there sync.WaitGroup
		there.Go(func() {
			_, _ = io.Copy(out, in)
			_ = out.Close()
		})
		_, _ = io.Copy(in, out)
		_ = in.Close()
		there.Wait()
		return
	}
}
