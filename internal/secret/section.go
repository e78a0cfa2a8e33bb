package secret

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// section is a part of an auth object whose values come from a Store.
type section struct {
	// field is the part's name, e.g. "hashiCorpVault"; list is where the
	// entries are, e.g. "hashiCorpVault.secrets".
	field, list string
	wants       []want
	// access tells one store and login from another; it may hold credentials,
	// as only a hash of it is kept.
	access []string
	open   func() (Store, error)
}

// want is one entry.
type want struct {
	parameter string
	item      Item
}

// errNoStore is for operators that are built without a store.
var errNoStore = errors.New("this operator can't ask it")

// take gives the parameters of a section. A value that can't be asked for
// again, but was got before, is used with a warning.
func (j *job) take(ctx context.Context, path string, s section) {
	got := j.held(ctx, s)
	for i, w := range s.wants {
		field := fmt.Sprintf("%s[%d]", s.list, i)
		h := got[i]
		switch {
		case h.has:
			j.give(path, field, w.parameter, h.value)
			if h.err != nil {
				j.earlier(path, fmt.Sprintf("the parameter %q", w.parameter), field, h.err)
			}
		default:
			j.authProblem(path, field, w.parameter, h.err)
		}
	}
}

// held asks the cache for the items of a section.
func (j *job) held(ctx context.Context, s section) []held {
	items := make([]Item, len(s.wants))
	for i, w := range s.wants {
		items[i] = w.item
	}
	ref := model.Reference{Kind: s.field, Namespace: j.authNamespace, Name: hashOf(j.trigger.Auth, s.access, items)}
	j.use(ref)
	return j.external.Cache.get(ctx, ref, items, func() (Store, error) {
		if s.open == nil {
			return nil, scaler.Misconfigured(errNoStore, "opening %s", s.field)
		}
		return s.open()
	})
}

// earlier says that something is in use although it can't be asked for any more.
func (j *job) earlier(path, what, field string, err error) {
	j.problems.Warnf(path, "the %s %q still uses the last good value of %s: %s: %v", j.trigger.Auth.Kind, j.trigger.Auth.Name, what, field, err)
}

// hashOf makes a name for the values of an auth object's section. Lengths keep
// a, bc apart from ab, c.
func hashOf(auth *model.AuthRef, access []string, items []Item) string {
	h := sha256.New()
	for _, p := range append([]string{auth.Kind, auth.Name}, access...) {
		_, _ = fmt.Fprintf(h, "%d:%s;", len(p), p)
	}
	for _, it := range items {
		_, _ = io.WriteString(h, fmt.Sprintf("%q;", []string{
			it.Name, it.Key, it.Version, it.Stage, it.Type,
			it.PKI.CommonName, it.PKI.AltNames, it.PKI.IPSans, it.PKI.URISans, it.PKI.OtherSans, it.PKI.TTL, it.PKI.Format,
		}))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// outside says whether values from outside of the cluster are to be had. If
// not, the parameters that a section gives are unseen.
func (j *job) outside(wants []want) bool {
	if j.external != nil {
		return true
	}
	for _, w := range wants {
		j.hide(w.parameter)
	}
	return false
}

// withheld reports what keeps a section from being asked at all.
func (j *job) withheld(path, field string, wants []want, err error) {
	if errors.Is(err, ErrUnseen) {
		for _, w := range wants {
			j.hide(w.parameter)
		}
		return
	}
	j.problems.Errorf(path, "the %s %q can't give what it takes from %s: %v", j.trigger.Auth.Kind, j.trigger.Auth.Name, field, err)
	hint(j.problems, err)
}

// hide notes that a parameter may be there without being known.
func (j *job) hide(parameter string) {
	if j.unseen.Values == nil {
		j.unseen.Values = map[string]bool{}
	}
	j.unseen.Values[parameter] = true
}

// credential reads a key of a Secret with which a section logs in.
func (j *job) credential(ctx context.Context, field string, k *model.SecretKey) (string, error) {
	if k == nil {
		return "", nil
	}
	if j.authNamespace == "" {
		return "", fmt.Errorf("%s: %w", field, errNoClusterNamespace)
	}
	value, err := j.secretKey(ctx, j.authNamespace, k.Name, k.Key)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", field, err)
	case value == "":
		return "", fmt.Errorf("%s: the key %q of the Secret %s/%s is empty", field, k.Key, j.authNamespace, k.Name)
	}
	return value, nil
}
