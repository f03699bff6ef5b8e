package schema

import (
	"cmp"
	"fmt"
	"slices"
)

// object judges what is said of an object's members.
func (j *judgement) object(v *verdict, r *rule, i int, m *marks) bool {
	n := j.d.Count(i)
	if n < r.minProperties && v.fail(func() string { return bounds("minProperties", n, r.minProperties) }) ||
		r.maxProperties >= 0 && n > r.maxProperties && v.fail(func() string { return bounds("maxProperties", n, r.maxProperties) }) {
		return true
	}
	if r.names != nil && j.presence(v, r, i, m) {
		return true
	}
	if r.properties != nil || r.patterns != nil || r.additional != nil || r.propertyNames != nil {
		if j.members(v, r, i, m) {
			return true
		}
	}
	if r.unevaluatedProperties == nil || v.bad {
		return v.done()
	}
	at := 0
	for name := i + 1; name < j.d.Next(i); name = j.d.Next(name + 1) {
		if j.over() || !m.has(at) && j.below(v, r.unevaluatedProperties, name+1, step{name, 0}) {
			return true
		}
		at++
	}
	m.all = true
	return v.done()
}

// presence judges by which members are there.
func (j *judgement) presence(v *verdict, r *rule, i int, m *marks) bool {
	seen := make([]bool, len(r.names))
	found := 0
	for name := i + 1; name < j.d.Next(i); name = j.d.Next(name + 1) {
		if j.over() {
			return true
		}
		if n, asked := r.names[string(j.d.Bytes(name))]; asked {
			seen[n] = true
			found++
		}
	}
	has := func(name string) bool { return seen[r.names[name]] }
	missing := func(list []string) (out []string) {
		for _, name := range list {
			if !has(name) {
				out = append(out, name)
			}
		}
		return out
	}
	if found < len(r.names) && len(r.required) > 0 {
		if out := missing(r.required); out != nil && v.fail(func() string { return missingText(out) }) {
			return true
		}
	}
	for name, list := range r.dependentNames {
		if !has(name) {
			continue
		}
		if out := missing(list); out != nil && v.fail(func() string {
			return "properties " + quoteList(out) + " required, if " + quote([]byte(name)) + " exists"
		}) {
			return true
		}
	}
	for name, rule := range r.dependentRules {
		if has(name) && v.result(j.rule(rule, i, m, v.explain)) {
			return true
		}
	}
	return v.done()
}

// members judges each member by what is said of its name.
func (j *judgement) members(v *verdict, r *rule, i int, m *marks) bool {
	var strange []string // members that are not allowed
	refused := 0
	at := -1
	for name := i + 1; name < j.d.Next(i); name = j.d.Next(name + 1) {
		if at++; j.over() {
			return true
		}
		text := j.d.Bytes(name)
		here := step{name, 0}
		if r.propertyNames != nil && j.below(v, r.propertyNames, name, here) {
			return true
		}
		property := r.properties[string(text)]
		known := property != nil
		if known && j.below(v, property, name+1, here) {
			return true
		}
		for _, p := range r.patterns {
			if j.over() {
				return true
			}
			if !j.matches(p.pattern, text) {
				continue
			}
			known = true
			if j.below(v, p.rule, name+1, here) {
				return true
			}
		}
		switch {
		case known:
			m.add(at)
		case r.additional == nil:
		case r.additional.always < 0:
			v.bad = true
			if !v.explain {
				return true
			}
			if refused++; refused <= maxNames {
				strange = append(strange, string(text))
			}
		default:
			m.add(at)
			if j.below(v, r.additional, name+1, here) {
				return true
			}
		}
	}
	if refused == 0 {
		return v.done()
	}
	return v.fail(func() string { return "additional properties " + quoteSome(strange, refused) + " not allowed" })
}

// array judges what is said of an array's items.
func (j *judgement) array(v *verdict, r *rule, i int, m *marks) bool {
	n := j.d.Count(i)
	if n < r.minItems && v.fail(func() string { return bounds("minItems", n, r.minItems) }) ||
		r.maxItems >= 0 && n > r.maxItems && v.fail(func() string { return bounds("maxItems", n, r.maxItems) }) ||
		r.unique && j.repeated(v, i) {
		return true
	}
	if (r.prefix != nil || r.items != nil) && j.items(v, r, i, m) || r.contains != nil && j.contained(v, r, i, m) {
		return true
	}
	if r.unevaluatedItems == nil || v.bad {
		return v.done()
	}
	at := 0
	for item := i + 1; item < j.d.Next(i); item = j.d.Next(item) {
		if j.over() || !m.has(at) && j.below(v, r.unevaluatedItems, item, step{-1, at}) {
			return true
		}
		at++
	}
	m.all = true
	return v.done()
}

func (j *judgement) items(v *verdict, r *rule, i int, m *marks) bool {
	at := 0
	for item := i + 1; item < j.d.Next(i); item = j.d.Next(item) {
		rule := r.items
		if at < len(r.prefix) {
			rule = r.prefix[at]
		}
		if rule == nil {
			break
		}
		if rule.always < 0 && at >= len(r.prefix) && r.extra && v.explain {
			return v.fail(func() string { return "additional items are not allowed" })
		}
		m.add(at)
		if j.over() || j.below(v, rule, item, step{-1, at}) {
			return true
		}
		at++
	}
	if r.items != nil && m != nil {
		m.all = true
	}
	return v.done()
}

func (j *judgement) contained(v *verdict, r *rule, i int, m *marks) bool {
	matched, at := 0, 0
	chain := j.chain
	j.chain = 0
	defer func() { j.chain = chain }()
	for item := i + 1; item < j.d.Next(i); item = j.d.Next(item) {
		if j.over() {
			return true
		}
		if j.rule(r.contains, item, nil, false) {
			matched++
			if !r.old {
				m.add(at)
			}
			if m == nil && r.maxContains < 0 && matched >= r.minContains {
				return false
			}
		}
		at++
	}
	if matched < r.minContains && v.fail(func() string {
		if r.minContains == 1 {
			return "no items match contains schema"
		}
		return bounds("minContains", matched, r.minContains)
	}) {
		return true
	}
	return r.maxContains >= 0 && matched > r.maxContains && v.fail(func() string { return bounds("maxContains", matched, r.maxContains) })
}

// repeated finds two equal items, by their hashes, in n·log n.
func (j *judgement) repeated(v *verdict, i int) bool {
	n := j.d.Count(i)
	if n < 2 {
		return false
	}
	items := make([]item, 0, n) // 16 bytes each, which beside counts
	for at := i + 1; at < j.d.Next(i); at = j.d.Next(at) {
		items = append(items, item{j.hash[at], int32(at), int32(len(items))})
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.node, b.node)) })
	for n := 1; n < len(items); n++ {
		a, b := items[n-1], items[n]
		if j.over() {
			return true
		}
		if a.hash == b.hash && equal(j.d, int(a.node), j.d, int(b.node)) {
			return v.fail(func() string { return fmt.Sprintf("items at %d and %d are equal", a.index, b.index) })
		}
	}
	return false
}

type item struct {
	hash        uint64
	node, index int32
}
