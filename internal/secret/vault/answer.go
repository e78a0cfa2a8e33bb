package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// answer is what a path holds.
type answer struct {
	doing string
	err   error
	data  map[string]any
	// again and issued are of secret.Fetched.
	again  time.Duration
	issued bool
}

// request reads a path, or has a certificate issued.
func (s *store) request(ctx context.Context, it secret.Item) answer {
	a := answer{doing: s.doing("reading " + it.Name + " from")}
	path := strings.Trim(it.Name, "/")
	var got *api.Secret
	var err error
	if it.Type == model.VaultTypePKI {
		a.doing = s.doing("getting a certificate of " + it.Name + " from")
		got, err = s.client.Logical().WriteWithContext(ctx, path, certificateOf(it.PKI))
	} else {
		got, err = s.client.Logical().ReadWithContext(ctx, path)
	}
	switch {
	case err != nil:
		a.err = failure(err, a.doing)
	case got == nil || got.Data == nil && len(got.Warnings) == 0:
		a.err = scaler.Missing(errors.New("there is no such secret"), "%s", a.doing)
	case got.Data == nil: // the warning is about this
		a.err = scaler.Missing(errors.New("there is no such secret; expected data after the mount in a path of version 2, as in secret/data/app"), "%s", a.doing)
	default:
		a.open(got, it.Type, s.now())
	}
	return a
}

// open finds the fields of a secret of any kind.
func (a *answer) open(got *api.Secret, kind string, now time.Time) {
	a.data = got.Data
	switch {
	case kind == model.VaultTypePKI:
		a.issued = true
		if end, ok := number(got.Data["expiration"]); ok {
			a.again = twoThirds(time.Unix(end, 0).Sub(now))
		}
	case got.LeaseID != "": // made for us, and taken back when the lease ends
		a.issued, a.again = true, twoThirds(time.Duration(got.LeaseDuration)*time.Second)
	case kind == model.VaultTypeSecret:
	default:
		inner, versioned := got.Data["data"].(map[string]any)
		_, described := got.Data["metadata"].(map[string]any)
		switch {
		case versioned:
			a.data = inner
		case described && got.Data["data"] == nil:
			a.err = scaler.Missing(errors.New("its latest version has been deleted"), "%s", a.doing)
		case kind == model.VaultTypeSecretV2:
			a.err = scaler.Misconfigured(errors.New("it is no secret of version 2; expected type secret, or none"), "%s", a.doing)
		}
	}
}

// twoThirds is when something that lasts that long is to be had anew.
func twoThirds(life time.Duration) time.Duration { return max(life/3*2, time.Second) }

func number(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

// value takes an item's key from the answer.
func (a answer) value(it secret.Item) secret.Fetched {
	if a.err != nil {
		return secret.Fetched{Err: a.err}
	}
	out := secret.Fetched{Again: a.again, Issued: a.issued}
	raw, ok := a.data[it.Key]
	if !ok {
		missing := fmt.Sprintf("it has no key %q", it.Key)
		if near, ok := param.Nearest(it.Key, slices.Sorted(maps.Keys(a.data))); ok {
			missing += fmt.Sprintf(" (did you mean %s?)", near)
		}
		return secret.Fetched{Err: scaler.Missing(errors.New(missing), "%s", a.doing)}
	}
	switch v := raw.(type) {
	case string:
		out.Value = v
	case json.Number:
		out.Value = v.String()
	case bool:
		out.Value = strconv.FormatBool(v)
	case []any: // a chain of certificates
		lines := make([]string, len(v))
		for i, l := range v {
			if lines[i], ok = l.(string); !ok {
				return secret.Fetched{Err: scaler.BadAnswer(fmt.Errorf("the key %q is no text", it.Key), "%s", a.doing)}
			}
		}
		out.Value = strings.Join(lines, "\n")
	default:
		return secret.Fetched{Err: scaler.BadAnswer(fmt.Errorf("the key %q is no text", it.Key), "%s", a.doing)}
	}
	return out
}

// certificateOf is a request for a certificate, as Vault's PKI API names it.
func certificateOf(p model.VaultPKI) map[string]any {
	out := map[string]any{}
	for name, value := range map[string]string{
		"common_name": p.CommonName, "alt_names": p.AltNames, "ip_sans": p.IPSans, "uri_sans": p.URISans,
		"other_sans": p.OtherSans, "ttl": p.TTL, "format": p.Format,
	} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}
