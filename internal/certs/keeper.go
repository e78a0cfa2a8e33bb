package certs

import (
	"context"
	"log/slog"
	"net"
	"time"

	"k8s.io/utils/clock"
)

const (
	// lookEvery is how often the files are looked at even when nothing is
	// due, so that a deleted or damaged one is mended.
	lookEvery = time.Hour
	// shareEvery is how often a replica looks whether another one has renewed.
	shareEvery = time.Minute
	// tryAgain is the pause after a failure.
	tryAgain = time.Minute
)

// Keeper keeps the certificates of a folder good for as long as it runs.
type Keeper struct {
	Dir string
	// Vault, if any, is what the folder is a copy of.
	Vault    Vault
	DNSNames []string
	IPs      []net.IP
	Clock    clock.Clock
	Log      *slog.Logger
	// OnChange is called with what the folder holds, first when Run begins and
	// then after each renewal, from Run's goroutine.
	OnChange func(Bundle)
}

// Run renews until ctx ends. It fails only when the certificates can't be made
// at the start; later failures are logged and tried again.
func (k *Keeper) Run(ctx context.Context) error {
	b, err := k.Ensure(ctx)
	if err != nil {
		return err
	}
	k.OnChange(b)
	for {
		timer := k.Clock.NewTimer(k.pause(b, err))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
		var next Bundle
		if next, err = k.Ensure(ctx); err != nil {
			k.Log.Error("renewing the serving certificate", "error", err)
			continue
		}
		b = next
		if b.Changed {
			k.Log.Info("renewed the serving certificate", "next", b.Renew)
			k.OnChange(b)
		}
	}
}

// Ensure makes the folder good once.
func (k *Keeper) Ensure(ctx context.Context) (Bundle, error) {
	if k.Vault == nil {
		return Ensure(k.Dir, k.DNSNames, k.IPs, k.Clock.Now())
	}
	return EnsureShared(ctx, k.Vault, k.Dir, k.DNSNames, k.IPs, k.Clock.Now())
}

func (k *Keeper) pause(b Bundle, err error) time.Duration {
	if err != nil {
		return tryAgain
	}
	most := lookEvery
	if k.Vault != nil {
		most = shareEvery
	}
	return min(max(b.Renew.Sub(k.Clock.Now()), tryAgain), most)
}
