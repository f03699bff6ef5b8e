package secret

// vault is what a store has while it is unlocked: the seed and the keys derived
// from it. Each unlocking makes a new one; the old one's handles stay dead.
type vault struct {
	arena *arena
	cache *cache
}

// load sets f.key to a private key, from the cache or derived from the seed, and
// returns its public half, which AES keys do not have.
func (v *vault) load(f *frame, name cacheKey) (public []byte, derived bool, err error) {
	if public, ok := v.cache.get(name, &f.key); ok {
		return public, false, nil
	}
	switch name.kind {
	case Secp256k1:
		if err := bip32(f, v.arena.seed[:], name.path); err != nil {
			return nil, false, err
		}
		f.key.private = f.node.private
		public = publicKey(f)
	case Ed25519, AES256GCM:
		if err := slip10(f, v.arena.seed[:], name.path); err != nil {
			return nil, false, err
		}
		f.key.private = f.node.private
		if name.kind == Ed25519 {
			public = expandEd25519(f)
		}
	default:
		return nil, false, errorf(InvalidInput, "there is no key type %.40q: take ed25519, secp256k1 or aes-256-gcm", string(name.kind))
	}
	v.cache.put(name, &f.key, public)
	return public, true, nil
}

// destroy wipes everything. Nothing may be in use.
func (v *vault) destroy() {
	v.cache.close()
	v.arena.destroy()
}
