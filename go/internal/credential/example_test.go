package credential_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/alkdev/alknet/go/internal/credential"
	"github.com/alkdev/alknet/go/secret"
)

// A credential is sealed once, and opened where it is used.
func Example() {
	folder, err := os.MkdirTemp("", "alknet-credentials-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	store := secret.NewStore(secret.Options{})
	defer store.Close()
	phrase := []byte("test test test test test test test test test test test junk") // known to everybody
	if err := store.Unlock(phrase, nil); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	credentials := credential.NewDirectory(credential.Config{Path: filepath.Join(folder, "credentials"), Sealer: credential.StoreSealer(store)})

	token := &credential.Bearer{Token: credential.NewSecret([]byte("github_pat_0123456789"))}
	_, err = credentials.Add(ctx, "github", token, false)
	token.Wipe()
	if err != nil {
		log.Fatal(err)
	}

	github, err := credentials.Get(ctx, "github")
	if err != nil {
		log.Fatal(err)
	}
	name, value, err := github.Header(ctx)
	if err != nil {
		log.Fatal(err)
	}
	request, _ := http.NewRequest(http.MethodGet, "https://api.example.com/issues", nil)
	request.Header.Set(name, string(value))
	clear(value)
	fmt.Println(github, len(request.Header.Get("Authorization")))

	store.Lock()
	_, err = github.Open(ctx)
	fmt.Println(err)
	// Output:
	// credential.Credential(github bearer) 28
	// LOCKED: the secret store is locked: unlock it first
}
