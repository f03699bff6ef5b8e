package secret

import (
	"encoding/json"
	"fmt"
	"io"
)

// The types that lead to secrets print and marshal what Status and PublicKey tell,
// whatever the verb: none of fmt's reflects into them.

// Format prints the store's state.
func (s *Store) Format(f fmt.State, _ rune) {
	status := s.Status()
	fmt.Fprintf(f, "secret.Store(%s, memory %s)", status.State, status.Memory)
}

// MarshalJSON returns the store's Status.
func (s *Store) MarshalJSON() ([]byte, error) { return json.Marshal(s.Status()) }

// Format prints the handle's type and path.
func (h Handle) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "secret.Handle(%s %s)", h.name.kind, h.name.path)
}

// MarshalJSON returns {"path","type","publicKey"?}, the key in base64.
func (h Handle) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Path      Path    `json:"path"`
		Type      KeyType `json:"type"`
		PublicKey []byte  `json:"publicKey,omitempty"`
	}{h.name.path, h.name.kind, h.public})
}

// Format prints the signer's path.
func (s *signer) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "secret.Signer("+s.name.path.String()+")")
}
