package secret

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

const (
	maxTypedData = 1 << 20 // bytes of JSON
	// maxTypedDepth is how deep the JSON may nest, and with it the values: well
	// above any protocol in use.
	maxTypedDepth = 64
	// maxTypes bounds what hashing the types costs: each is hashed with all that it
	// leads to.
	maxTypes = 128

	domainType = "EIP712Domain"
)

// SignTypedData signs typed data as eth_signTypedData_v4 does (EIP-712). The JSON
// object has the members types, primaryType, domain and message. It is read
// strictly, so that what is signed is what a person was shown: every member of a
// value must be in its type and every field of the type in the value, numbers must
// be integers in their range (a JSON number, or a string in decimal or with 0x),
// addresses in mixed case must have the right checksum, and names must not be given
// twice. Types may be recursive, and are at most 128; a value nests at most 64 deep. At
// most 1 MiB.
// Errors: LOCKED, CLOSED, INVALID_INPUT.
func (h *Handle) SignTypedData(typedData []byte) (EthereumSignature, error) {
	if err := h.require(Secp256k1, "an Ethereum signature"); err != nil {
		return EthereumSignature{}, err
	}
	digest, err := TypedDataDigest(typedData)
	if err != nil {
		return EthereumSignature{}, err
	}
	return h.SignEthereumDigest(digest)
}

// TypedDataDigest returns the 32 bytes that SignTypedData signs. The error is
// INVALID_INPUT.
func TypedDataDigest(typedData []byte) ([32]byte, error) {
	digest, err := typedDataDigest(typedData)
	if err != nil {
		return [32]byte{}, errorf(InvalidInput, "the typed data: %s", err)
	}
	return digest, nil
}

func typedDataDigest(text []byte) (digest [32]byte, err error) {
	if len(text) > maxTypedData {
		return digest, typedError("longer than %d bytes", maxTypedData)
	}
	value, err := decodeStrict(text, maxTypedDepth)
	if err != nil {
		return digest, err
	}
	object, _ := value.(map[string]any)
	for name := range object {
		if name != "types" && name != "primaryType" && name != "domain" && name != "message" {
			return digest, typedError("has a member %.40q: want types, primaryType, domain and message", name)
		}
	}
	domain, ok := object["domain"].(map[string]any)
	if !ok {
		return digest, typedError("domain is missing or no object")
	}
	message, ok := object["message"].(map[string]any)
	if !ok {
		return digest, typedError("message is missing or no object")
	}
	primary, ok := object["primaryType"].(string)
	if !ok {
		return digest, typedError("primaryType is missing or no string")
	}
	types, err := parseTypes(object["types"], domain)
	if err != nil {
		return digest, err
	}
	if _, known := types.structs[primary]; !known {
		return digest, typedError("primaryType %.40q is not among the types", primary)
	}
	separator, err := types.hashStruct(domainType, domain, "domain")
	if err != nil {
		return digest, err
	}
	if primary == domainType {
		return keccak256([]byte("\x19\x01"), separator[:]), nil
	}
	hash, err := types.hashStruct(primary, message, "message")
	if err != nil {
		return digest, err
	}
	return keccak256([]byte("\x19\x01"), separator[:], hash[:]), nil
}

// field is a member of a struct type.
type field struct{ name, kind string }

// typeSet is the struct types of typed data.
type typeSet struct {
	structs map[string][]field
	hashes  map[string][32]byte // of encodeType, as far as needed
}

// The fields of a domain, in the order of EIP-712.
var domainFields = []field{{"name", "string"}, {"version", "string"}, {"chainId", "uint256"}, {"verifyingContract", "address"}, {"salt", "bytes32"}}

// parseTypes reads the member "types". Where it does not have the domain's type,
// that has the fields that the domain has.
func parseTypes(value any, domain map[string]any) (*typeSet, error) {
	object, ok := value.(map[string]any)
	if !ok || len(object) > maxTypes {
		return nil, typedError("types is missing, no object, or has more than %d members", maxTypes)
	}
	types := &typeSet{structs: map[string][]field{}, hashes: map[string][32]byte{}}
	for name, list := range object {
		if !identifier(name) || isAtomic(name) {
			return nil, typedError("%.40q cannot be the name of a type", name)
		}
		fields, err := parseFields(name, list)
		if err != nil {
			return nil, err
		}
		types.structs[name] = fields
	}
	if declared, ok := types.structs[domainType]; !ok {
		types.structs[domainType] = slices.DeleteFunc(slices.Clone(domainFields), func(f field) bool {
			_, present := domain[f.name]
			return !present
		})
	} else {
		for _, f := range declared {
			if !slices.Contains(domainFields, f) {
				return nil, typedError("the domain has no field %.40q of type %.40q: want name, version, chainId, verifyingContract and salt, as EIP-712 has them", f.name, f.kind)
			}
		}
	}
	for name, fields := range types.structs {
		for _, f := range fields {
			base, _, err := elementType(f.kind)
			if err != nil {
				return nil, err
			}
			if _, known := types.structs[base]; !known && !isAtomic(base) || base == domainType {
				return nil, typedError("the field %.40q of %.40q has an unknown type, %.40q", f.name, name, f.kind)
			}
		}
	}
	return types, nil
}

func parseFields(typeName string, value any) ([]field, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, typedError("the type %.40q is no array of fields", typeName)
	}
	fields := make([]field, 0, len(list))
	for _, item := range list {
		object, _ := item.(map[string]any)
		name, isName := object["name"].(string)
		kind, isKind := object["type"].(string)
		if len(object) != 2 || !isName || !isKind || !identifier(name) {
			return nil, typedError(`a field of the type %.40q is not {"name":…,"type":…}`, typeName)
		}
		if slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			return nil, typedError("the type %.40q has the field %.40q twice", typeName, name)
		}
		fields = append(fields, field{name, kind})
	}
	return fields, nil
}

// identifier reports whether s can name a type or a field in Solidity.
func identifier(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// typeHash is the hash of encodeType: the type, then those that it leads to, sorted.
func (t *typeSet) typeHash(name string) [32]byte {
	if hash, ok := t.hashes[name]; ok {
		return hash
	}
	reached := map[string]bool{}
	t.reach(name, reached)
	delete(reached, name)
	var text strings.Builder
	for _, n := range append([]string{name}, slices.Sorted(maps.Keys(reached))...) {
		text.WriteString(n + "(")
		for i, f := range t.structs[n] {
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteString(f.kind + " " + f.name)
		}
		text.WriteByte(')')
	}
	t.hashes[name] = keccak256([]byte(text.String()))
	return t.hashes[name]
}

func (t *typeSet) reach(name string, reached map[string]bool) {
	if reached[name] {
		return
	}
	reached[name] = true
	for _, f := range t.structs[name] {
		base, _, _ := elementType(f.kind) // parseTypes has seen it
		if _, ok := t.structs[base]; ok {
			t.reach(base, reached)
		}
	}
}

// hashStruct is hashStruct of EIP-712. where names the value in errors.
func (t *typeSet) hashStruct(name string, value map[string]any, where string) ([32]byte, error) {
	fields := t.structs[name]
	hash := t.typeHash(name)
	encoded := append(make([]byte, 0, 32*(1+len(fields))), hash[:]...)
	for _, f := range fields {
		member, ok := value[f.name]
		if !ok {
			return hash, typedError("%s has no %s", where, f.name)
		}
		word, err := t.encode(f.kind, member, where+"."+f.name)
		if err != nil {
			return hash, err
		}
		encoded = append(encoded, word[:]...)
	}
	if len(value) > len(fields) {
		for member := range value {
			if !slices.ContainsFunc(fields, func(f field) bool { return f.name == member }) {
				return hash, typedError("%s has a member %.40q, which is not in its type %s and would not be signed", where, member, name)
			}
		}
	}
	return keccak256(encoded), nil
}

// encode is encodeData of EIP-712 for one value: 32 bytes.
func (t *typeSet) encode(kind string, value any, where string) (word [32]byte, err error) {
	base, length, err := arrayType(kind)
	if err != nil {
		return word, err
	}
	if base != "" {
		list, ok := value.([]any)
		if !ok || length >= 0 && len(list) != length {
			return word, typedError("%s does not fit its type %s", where, kind)
		}
		encoded := make([]byte, 0, 32*len(list))
		for _, item := range list {
			element, err := t.encode(base, item, where+"[]")
			if err != nil {
				return word, err
			}
			encoded = append(encoded, element[:]...)
		}
		return keccak256(encoded), nil
	}
	if _, ok := t.structs[kind]; ok {
		object, ok := value.(map[string]any)
		if !ok {
			return word, typedError("%s is no object of type %s", where, kind)
		}
		return t.hashStruct(kind, object, where)
	}
	word, ok := encodeAtomic(kind, value)
	if !ok {
		return word, typedError("%s does not fit its type %s", where, kind)
	}
	return word, nil
}

// textOf returns the text of a JSON string or number.
func textOf(value any) (text string, ok bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	}
	return "", false
}
