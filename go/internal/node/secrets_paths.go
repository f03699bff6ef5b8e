package node

import (
	"strings"

	"github.com/alkdev/alknet/go/secret"
)

// callerKeys is where keys for callers are unless SecretsConfig says otherwise:
// below m/74'/3', which the node uses for nothing itself.
const callerKeys = "m/74'/3'"

// CallerKeys is the path below which callers may use keys by default, m/74'/3'.
func CallerKeys() secret.Path { return mustPath(callerKeys) }

// closedSubtrees are the paths whose keys no caller gets to use: keys for passwords
// and keys for sealing, themselves and what is below. A key of another type at the
// same path has the same bytes, so it is the path that counts.
var closedSubtrees = []secret.Path{mustPath("m/74'/1'"), mustPath("m/74'/2'")}

func mustPath(text string) secret.Path {
	path, err := secret.ParsePath(text)
	if err != nil {
		panic("node: " + err.Error())
	}
	return path
}

// mayUse reports whether callers may use the key at a path.
func mayUse(allowed []secret.Path, path secret.Path) bool {
	if path == secret.IdentityPath() || path == secret.SSHHostKeyPath() {
		return false
	}
	for _, closed := range closedSubtrees {
		if path == closed || continues(path, closed) {
			return false
		}
	}
	for _, prefix := range allowed {
		if continues(path, prefix) {
			return true
		}
	}
	return false
}

// continues reports whether a path lies below another. The texts are canonical, so
// comparing them compares the levels.
func continues(path, prefix secret.Path) bool {
	return strings.HasPrefix(path.String(), prefix.String()+"/")
}
