package credential

import (
	"context"
	"time"
)

// Action says what an Event is about.
type Action string

// The actions.
const (
	ActionGet    Action = "get"    // a handle was asked for
	ActionOpen   Action = "open"   // its secrets were opened
	ActionAdd    Action = "add"    // a credential was added or replaced
	ActionRemove Action = "remove" // one was removed
)

// Event tells what was done with a credential. It never holds a value.
type Event struct {
	Time    time.Time
	Action  Action
	Service string
	// Type is empty where the credential could not be read.
	Type Type
	// Code is why it failed; empty when it succeeded.
	Code Code
	// User is for whom it was done; its zero value is the program itself.
	User User
}

// User is for whom a credential is used.
type User struct {
	Operation string // whose handler uses it
	Identity  string // the id of that one's caller
}

type userKey struct{}

// WithUser says in a context for whom a credential is got: the events of Get, and those
// of what is done with the Credential that it returns, tell that.
func WithUser(ctx context.Context, user User) context.Context {
	return context.WithValue(ctx, userKey{}, user)
}

func userOf(ctx context.Context) User {
	user, _ := ctx.Value(userKey{}).(User)
	return user
}
