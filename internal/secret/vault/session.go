package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
)

// session is a login.
type session struct {
	open bool
	// renew is when the token is to be renewed, or a new one got; zero for
	// never. It ends at end, after life.
	renew, end time.Time
	life       time.Duration
	renewable  bool
}

func (s *store) doing(what string) string { return what + " Vault at " + s.host }

// enter logs in where there is no login yet, and renews one of which a third
// of its life has gone. fresh says that it logged in.
func (s *store) enter(ctx context.Context) (fresh bool, err error) {
	now := s.now()
	switch due := !s.session.renew.IsZero() && !now.Before(s.session.renew); {
	case s.session.open && !due:
		return false, nil
	case s.session.open && s.session.renewable:
		got, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
		if err == nil && got != nil {
			s.session = sessionOf(got, now)
			return false, nil
		}
		if s.access.JWT == nil {
			return false, nil // reading will tell what the token is worth
		}
	case s.session.open && s.access.JWT == nil:
		return false, nil
	}
	if s.access.JWT == nil {
		return true, s.present(ctx, now)
	}
	token := s.client.Token()
	err = s.login(ctx, now)
	if err != nil && s.session.open && now.Before(s.session.end) {
		s.client.SetToken(token) // good for a while yet
		return false, nil
	}
	return true, err
}

// present uses the token of the auth object. It may have no right to look
// itself up; then it is used until it is refused.
func (s *store) present(ctx context.Context, now time.Time) error {
	s.client.SetToken(s.access.Token.Reveal())
	got, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	if err == nil && got != nil {
		s.session = sessionOf(got, now)
		return nil
	}
	if err = failure(err, s.doing("presenting the token to")); scaler.ReasonOf(err) == scaler.ReasonUnreachable {
		return err
	}
	s.session = session{open: true}
	return nil
}

// login trades a service account's token for one of Vault's.
func (s *store) login(ctx context.Context, now time.Time) error {
	doing := s.doing("logging in to") + " as role " + s.access.Role
	jwt, err := s.access.JWT(ctx)
	if err != nil {
		return err
	}
	s.client.ClearToken()
	path := fmt.Sprintf("auth/%s/login", strings.Trim(s.access.Mount, "/"))
	got, err := s.client.Logical().WriteWithContext(ctx, path, map[string]any{"jwt": jwt.Reveal(), "role": s.access.Role})
	if err != nil {
		err = failure(err, doing)
		if scaler.ReasonOf(err) == scaler.ReasonMissing {
			return scaler.Missing(fmt.Errorf("there is no %s; is the mount right?", path), "%s", doing)
		}
		return err
	}
	if got == nil || got.Auth == nil || got.Auth.ClientToken == "" {
		return scaler.BadAnswer(errors.New("the answer holds no token"), "%s", doing)
	}
	s.client.SetToken(got.Auth.ClientToken)
	s.session = sessionOf(got, now)
	return nil
}

func sessionOf(got *api.Secret, now time.Time) session {
	out := session{open: true}
	if life, err := got.TokenTTL(); err == nil && life > 0 {
		out.life, out.renew, out.end = life, now.Add(life/3), now.Add(life)
	}
	if renewable, err := got.TokenIsRenewable(); err == nil {
		out.renewable = renewable
	}
	return out
}

// keepAlive has values asked for often enough that a token that can only be
// renewed does not end in between.
func (s *store) keepAlive(out []secret.Fetched) {
	if s.access.JWT != nil || !s.session.renewable || s.session.life == 0 {
		return
	}
	again := max(s.session.life/2, time.Second)
	if again >= secret.DefaultEvery {
		return
	}
	for i := range out {
		if out[i].Err == nil && (out[i].Again == 0 || out[i].Again > again) && !out[i].Issued {
			out[i].Again = again
		}
	}
}
