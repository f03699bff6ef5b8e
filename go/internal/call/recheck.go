package call

import (
	"time"

	"github.com/alkdev/alknet/go/internal/auth"
)

// authority is what a request was admitted by: it is judged again when what it came from
// changes.
type authority struct {
	admitted bool   // guarded by Request.mu, as the rest
	resource string // the id that the input names, where the operation wants one
	expiry   *time.Timer
}

// Renewer says what has become of an identity that a token of a request stood for: with
// the scopes that it has now, or an error when its credential is not accepted any more.
type Renewer func(id *auth.Identity) (*auth.Identity, error)

// Recheck judges the requests of the other side that run again, after the session's
// identity (SetIdentity), what a token stands for, or the registry's access rules have
// changed. Those that would not be admitted now end, with UNAUTHENTICATED or FORBIDDEN
// for the caller, and on the node that they were forwarded to. renew is kept for requests
// that are being admitted, and for tokens that expire.
func (s *Session) Recheck(renew Renewer) {
	s.renew.Store(&renew)
	s.epoch.Add(1) // before the requests are listed: see admitted
	for _, r := range s.requests() {
		r.recheck()
	}
}

// admitted notes that the request runs, and judges it again if its session was judged
// since it came.
func (r *Request) admitted(resource string) {
	s := r.session
	if s == nil {
		return
	}
	r.mu.Lock()
	r.authority.admitted, r.authority.resource = true, resource
	if id := r.Identity(); r.params.tokened && !r.ended && id != nil && !id.Expires.IsZero() {
		r.authority.expiry = time.AfterFunc(time.Until(id.Expires), r.recheck)
	}
	r.mu.Unlock()
	if s.epoch.Load() != r.epoch {
		r.recheck()
	}
}

// recheck ends the request if it would not be admitted now.
func (r *Request) recheck() {
	r.mu.Lock()
	judge := r.authority.admitted && !r.ended
	resource := r.authority.resource
	r.mu.Unlock()
	if !judge {
		return
	}
	id, err := r.renewed()
	if err == nil {
		r.identity.Store(id)
		err = r.op.mayUse(r.registry.rules.Load(), id, resource)
	}
	if err != nil {
		_ = r.end(err, func() { r.tellFailed(err) })
	}
}

// renewed returns whom the request is made by now. Of a forwarded request the head that
// forwards it judges that.
func (r *Request) renewed() (*auth.Identity, *Error) {
	id := r.Identity()
	switch {
	case r.forwarded:
		return id, nil
	case !r.params.tokened:
		return r.session.Identity(), nil
	}
	gone := Errorf(Unauthenticated, "the credential of this request is not accepted any more")
	if id == nil || !id.Expires.IsZero() && !time.Now().Before(id.Expires) {
		return nil, gone
	}
	renew := r.session.renew.Load()
	if renew == nil || *renew == nil {
		return id, nil
	}
	now, err := (*renew)(id)
	if err != nil || now.ID != id.ID {
		return nil, gone
	}
	return now, nil
}
