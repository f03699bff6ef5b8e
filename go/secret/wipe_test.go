package secret

import (
	"bytes"
	"crypto/sha512"
	"reflect"
	"testing"
	"unsafe"
)

const paint = 0xa5

// stackBelow copies the stack below its caller's frame, which must be too small to
// matter; nothing may be called between what is looked for and this.
//
//go:noinline
func stackBelow(top *byte, out []byte) {
	for i := range out {
		out[i] = *(*byte)(unsafe.Add(unsafe.Pointer(top), i-len(out)))
	}
}

//go:noinline
func paintStack() {
	var below [stackDepth]byte
	for i := range below {
		below[i] = paint
	}
	touch(&below)
}

// depthOf returns how far down the stack f went, as far as it wrote.
//
//go:noinline
func depthOf(f func(), out []byte) int {
	var top byte
	paintStack()
	f()
	stackBelow(&top, out)
	for i, b := range out[512:] { // what stackBelow itself lies in is at the top
		if b != paint {
			return len(out) - 512 - i
		}
	}
	return 0
}

// TestStackDepth measures that what shield wipes is more than any operation uses.
func TestStackDepth(t *testing.T) {
	f, p := new(frame), new(phraseFrame)
	random := newRandom(t)
	seed, message := random.bytes(64), random.bytes(1000)
	copy(f.key.private[:], random.bytes(32))
	public := expandEd25519(f)
	sealed := seal(&f.key.private, message)
	out := make([]byte, stackDepth+512)
	for name, operation := range map[string]func(){
		"parse":       func() { _, _ = p.parse([]byte(testMnemonic)) },
		"stretch":     func() { _ = p.stretch([]byte("pä")) },
		"slip10":      func() { _ = slip10(f, seed, IdentityPath()) },
		"bip32":       func() { _ = bip32(f, seed, EthereumPath(0)) },
		"expand":      func() { expandEd25519(f) },
		"sign":        func() { signEd25519(f, public, message) },
		"ecdsa":       func() { signECDSA(f, (*[32]byte)(message)) },
		"seal":        func() { seal(&f.key.private, message) },
		"open":        func() { _, _ = open(&f.key.private, sealed[:nonceSize], sealed[nonceSize:]) },
		"password":    func() { _ = passwordText(f, PasswordPolicy{Classes: AllClasses}, make([]byte, 20)) },
		"bcrypt":      func() { bcryptPBKDF(make([]byte, 48), message[:8], message[:16], 1) },
		"private key": func() { armor(sshPrivateBlob(&f.key, public, "", &sshProtection{})) },
	} {
		operation() // what is set up on first use does not count
		if depth := depthOf(operation, out); depth == 0 || depth > stackDepth*3/4 {
			t.Errorf("%s uses %d bytes of stack: want under three quarters of %d", name, depth, stackDepth)
		} else {
			t.Logf("%s uses %d bytes of stack", name, depth)
		}
	}
}

//go:noinline
func shieldedDepth(f func(), out []byte) {
	var top byte
	shield(f)
	stackBelow(&top, out)
}

//go:noinline
func leave(secret []byte) {
	var deep [1024]byte
	copy(deep[512:], secret)
	leaveAgain(&deep)
}

//go:noinline
func leaveAgain(*[1024]byte) {}

// TestShieldWipesTheStack looks for what an operation leaves on the stack, with
// shield and without.
func TestShieldWipesTheStack(t *testing.T) {
	secret := newRandom(t).bytes(64)
	out := make([]byte, 3*stackDepth)
	depthOf(func() { leave(secret) }, out[:stackDepth])
	if !bytes.Contains(out[:stackDepth], secret) {
		t.Error("the search does not see what is there")
	}
	clear(out)
	shieldedDepth(func() { leave(secret) }, out)
	if bytes.Contains(out, secret[:16]) {
		t.Error("shield left a secret on the stack")
	}
}

// TestWipeObject looks into what the standard library keeps private.
func TestWipeObject(t *testing.T) {
	key := newRandom(t).bytes(32)
	h := sha512.New()
	h.Write(key)
	a := newAEAD((*[32]byte)(key))
	objects := map[string][]byte{"hash": bytesOf(h), "cipher": bytesOf(a.block), "AEAD": bytesOf(a.AEAD)}
	for name, object := range objects {
		if !bytes.Contains(object, key) {
			t.Errorf("%s: the key is not where it is looked for", name)
		}
	}
	wipeObject(h)
	a.wipe()
	for name, object := range objects {
		if bytes.Contains(object, key[:8]) || !bytes.Equal(object, make([]byte, len(object))) {
			t.Errorf("%s is not wiped", name)
		}
	}
}

// bytesOf returns the memory of what a pointer in an interface points to.
func bytesOf(pointer any) []byte {
	value := reflect.ValueOf(pointer)
	return unsafe.Slice((*byte)(value.UnsafePointer()), value.Elem().Type().Size())
}
