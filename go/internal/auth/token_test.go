package auth

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

type tokenVectors struct {
	Valid []struct {
		ID, Seed, Timestamp, Signature, Token string
		PublicKey                             string `json:"public_key"`
		KeyID                                 string `json:"key_id"`
	}
	Invalid []struct {
		ID, Token string
		PublicKey string `json:"public_key"`
	}
}

func loadTokenVectors(tb testing.TB) tokenVectors {
	tb.Helper()
	data, err := os.ReadFile("testdata/authtoken.json")
	must(tb, err)
	var v tokenVectors
	must(tb, json.Unmarshal(data, &v))
	if len(v.Valid) != 5 || len(v.Invalid) != 6 {
		tb.Fatalf("%d valid and %d invalid vectors, want 5 and 6", len(v.Valid), len(v.Invalid))
	}
	return v
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	must(tb, err)
	return b
}

func TestTokenVectors(t *testing.T) {
	v := loadTokenVectors(t)
	for _, c := range v.Valid {
		key := ed25519.NewKeyFromSeed(unhex(t, c.Seed))
		seconds, err := strconv.ParseUint(c.Timestamp, 10, 64)
		must(t, err)
		made, err := NewToken(key, time.Unix(int64(seconds), 0))
		if err != nil || made != c.Token {
			t.Errorf("%s: made %s, %v", c.ID, made, err)
		}
		token, err := ParseToken(c.Token)
		must(t, err)
		id := token.KeyID()
		if hex.EncodeToString(id[:]) != c.KeyID || token.Timestamp() != seconds || !token.Verify(unhex(t, c.PublicKey)) {
			t.Errorf("%s: key id %x, time %d, verifies %v", c.ID, id, token.Timestamp(), token.Verify(unhex(t, c.PublicKey)))
		}
	}
	for _, c := range v.Invalid {
		token, err := ParseToken(c.Token)
		if err == nil && token.Verify(unhex(t, c.PublicKey)) {
			t.Errorf("%s was accepted", c.ID)
		}
	}
}

func TestTokenIsDecodedStrictly(t *testing.T) {
	good := loadTokenVectors(t).Valid[0].Token
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[138])
	for name, text := range map[string]string{
		"empty": "", "short": good[:138], "padding": good + "=", "white space": good + " ", "line end": good[:138] + "\n",
		"line end inside": good[:50] + "\r\n" + good[52:], "line end beside": good[:50] + "\n" + good[50:],
		"standard alphabet": strings.ReplaceAll(strings.ReplaceAll(good, "-", "+"), "_", "/"),
		"unused bits":       good[:138] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1]),
	} {
		if _, err := ParseToken(text); err == nil {
			t.Errorf("%s was accepted", name)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error quotes the token", name)
		}
	}
}

func TestTokenWindow(t *testing.T) {
	key, err := GenerateKey()
	must(t, err)
	now := time.Unix(1_700_000_000, 0)
	set := NewKeySet([]Grant{{Key: key.Public().(ed25519.PublicKey)}}, nil)
	set.now = func() time.Time { return now }
	for offset, want := range map[time.Duration]string{
		0: "", 300 * time.Second: "", -300 * time.Second: "", 301 * time.Second: "token-of-the-future", -301 * time.Second: "token-expired", 200 * 365 * 24 * time.Hour: "token-of-the-future",
	} {
		token, err := NewToken(key, now.Add(offset))
		must(t, err)
		_, err = set.IdentityFromToken(context.Background(), token)
		wantReason(t, err, want)
	}
	future := loadTokenVectors(t).Valid[4] // a timestamp above 2^53
	set.Replace([]Grant{{Key: unhex(t, future.PublicKey)}}, nil)
	_, err = set.IdentityFromToken(context.Background(), future.Token)
	wantReason(t, err, "token-of-the-future")
}

func wantReason(t *testing.T, err error, want string) {
	t.Helper()
	var rejected *RejectError
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (!errors.As(err, &rejected) || rejected.Reason != want || !errors.Is(err, ErrUnauthenticated)):
		t.Errorf("error %v, want reason %s", err, want)
	}
}

// Whatever parses encodes to the same text: a token has one spelling.
func FuzzParseToken(f *testing.F) {
	v := loadTokenVectors(f)
	for _, c := range v.Valid {
		f.Add(c.Token)
	}
	for _, c := range v.Invalid {
		f.Add(c.Token)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err == nil && token.text() != text {
			t.Fatalf("%q came back as %q", text, token.text())
		}
	})
}

// Were the stand-in no point of the curve, verifying against it would be quicker than
// against a key, and tell.
func TestStandInIsAKey(t *testing.T) {
	signature, err := hex.DecodeString("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(standIn, nil, signature) {
		t.Error("the signature of RFC 8032, section 7.1, test 1 is refused")
	}
}
