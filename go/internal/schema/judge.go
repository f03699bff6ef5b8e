package schema

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/alkdev/alknet/go/internal/ecmascript"
	"github.com/alkdev/alknet/go/internal/strictjson"
)

// The work for a text of n values by a schema of m rules is at most
// baseWork + workFactor·n·m steps. A step is one value by one rule, or one member.
const (
	baseWork   = 1 << 18
	workFactor = 4
)

// maxMemo is how many of the rules that references lead to are remembered for each
// array and object, two bits each: they are judged once. Unions that refer to themselves
// would be judged 2^depth times. Past that the work is bounded all the same.
const maxMemo = 64

// judgement is the judging of one text.
type judgement struct {
	schema *Schema
	d      *strictjson.Document
	memo   [maxMemo + 1][]uint64
	marks  map[memoKey]*marks
	hash   []uint64
	work   int64
	stop   func() bool
	err    error
	chain  int // references that were followed on one value
	scopes []*resource
	path   []step
	found  []Violation
	size   int // of found
	regexp ecmascript.Work
}

type memoKey struct{ target, value int }

// step is one step of the way to the value that is judged: a name or an index.
type step struct {
	name  int // node, or -1
	index int
}

// marks are the members or items of one value that keywords have looked at.
type marks struct {
	all bool
	set []uint64
}

func (m *marks) add(i int) {
	if m == nil || m.all {
		return
	}
	for len(m.set) <= i/64 {
		m.set = append(m.set, 0)
	}
	m.set[i/64] |= 1 << (i % 64)
}

func (m *marks) has(i int) bool {
	return m.all || i/64 < len(m.set) && m.set[i/64]&(1<<(i%64)) != 0
}

func (m *marks) merge(j *judgement, other *marks) {
	if m == nil || other == nil {
		return
	}
	m.all = m.all || other.all
	j.work -= int64(len(other.set))
	for len(m.set) < len(other.set) {
		m.set = append(m.set, 0)
	}
	for i, word := range other.set {
		m.set[i] |= word
	}
}

// fresh returns marks of its own for a rule that may fail, where they are wanted.
func (m *marks) fresh() *marks {
	if m == nil {
		return nil
	}
	return &marks{}
}

func (s *Schema) judge(d *strictjson.Document, stop func() bool) ([]Violation, error) {
	j := &judgement{schema: s, d: d, stop: stop}
	j.work = baseWork + workFactor*int64(d.Len())*int64(s.rules)
	j.regexp = ecmascript.Work{Steps: 4*j.work + int64(64+s.rules)*int64(d.Size()), Stop: stop}
	if s.hashed {
		j.hash = hashes(d)
	}
	ok := j.rule(s.root, 0, nil, false)
	if j.err == nil && !ok {
		j.rule(s.root, 0, nil, true)
	}
	if j.err != nil && len(j.found) == 0 {
		return nil, j.err
	}
	if !ok && len(j.found) == 0 {
		j.tell("does not match its schema")
	}
	return j.found, nil
}

// over reports whether judging has ended, and counts a step.
func (j *judgement) over() bool {
	if j.err != nil {
		return true
	}
	if j.work--; j.work < 0 {
		j.err = ErrWork
	} else if j.work%1024 == 0 && j.stop != nil && j.stop() {
		j.err = ErrStopped
	}
	return j.err != nil
}

// rule judges value i by r, and marks in m what the keywords have looked at. Where
// explain is set it tells what is wrong, and goes on until it has told enough.
func (j *judgement) rule(r *rule, i int, m *marks, explain bool) bool {
	if j.over() {
		return false
	}
	if r.always != 0 {
		if r.always < 0 && explain {
			j.tell("false schema")
		}
		return r.always > 0
	}
	if r.target == 0 {
		return j.body(r, i, m, explain)
	}
	if explain {
		// Only what is wrong is judged again.
		return j.remembered(r, i, m) || j.err == nil && j.body(r, i, m, true)
	}
	return j.remembered(r, i, m)
}

// remembered judges by a rule that a reference leads to, once for each value.
func (j *judgement) remembered(r *rule, i int, m *marks) bool {
	kind := j.d.Kind(i)
	if j.schema.scoped || r.target > maxMemo || kind != strictjson.Array && kind != strictjson.Object {
		return j.body(r, i, m, false)
	}
	memo := j.memo[r.target]
	if memo == nil {
		memo = make([]uint64, j.d.Len()/32+1)
		j.memo[r.target] = memo
	}
	shift := 2 * (i % 32)
	key := memoKey{r.target, i}
	switch state := memo[i/32] >> shift & 3; {
	case state == 2:
		return false
	case state == 1 && m == nil:
		return true
	case state == 1:
		if known := j.marks[key]; known != nil {
			m.merge(j, known)
			return true
		}
	}
	own := m.fresh()
	ok := j.body(r, i, own, false)
	if j.err != nil {
		return false
	}
	state := uint64(2)
	if ok {
		state = 1
		m.merge(j, own)
		if own != nil {
			if j.marks == nil {
				j.marks = map[memoKey]*marks{}
			}
			j.marks[key] = own
			j.work -= int64(len(own.set))
		}
	}
	memo[i/32] |= state << shift
	return ok
}

// verdict gathers what one rule says of one value.
type verdict struct {
	j       *judgement
	explain bool
	bad     bool
}

// fail notes that a keyword does not hold, and reports whether to judge no further.
func (v *verdict) fail(text func() string) bool {
	v.bad = true
	if v.explain {
		v.j.tell(text())
	}
	return v.done()
}

// result notes what a rule below said, which has told why.
func (v *verdict) result(ok bool) bool {
	v.bad = v.bad || !ok
	return v.done()
}

func (v *verdict) done() bool { return v.bad && (!v.explain || v.j.full()) || v.j.err != nil }

func (j *judgement) body(r *rule, i int, outer *marks, explain bool) bool {
	if j.schema.scoped && (len(j.scopes) == 0 || j.scopes[len(j.scopes)-1] != r.resource) {
		j.scopes = append(j.scopes, r.resource)
		defer func() { j.scopes = j.scopes[:len(j.scopes)-1] }()
	}
	m := outer
	if m == nil && r.tracks {
		m = &marks{}
	}
	v := &verdict{j: j, explain: explain}
	if j.ofType(v, r, i) || j.references(v, r, i, m) || j.general(v, r, i, m) {
		return false
	}
	stop := false
	switch j.d.Kind(i) {
	case strictjson.Object:
		stop = j.object(v, r, i, m)
	case strictjson.Array:
		stop = j.array(v, r, i, m)
	case strictjson.String:
		stop = j.text(v, r, i)
	case strictjson.Number:
		stop = j.number(v, r, i)
	}
	return !stop && !v.bad && j.err == nil
}

func (j *judgement) references(v *verdict, r *rule, i int, m *marks) bool {
	target := r.dynamic
	if r.scoped {
		for _, scope := range j.scopes { // the outermost first
			if found := scope.anchors[r.anchor]; found != nil {
				target = found
				break
			}
		}
	}
	for _, to := range [...]*rule{r.ref, target} {
		if to == nil {
			continue
		}
		if j.chain > j.schema.rules {
			return v.fail(func() string { return "the schema refers to itself without an end" })
		}
		j.chain++
		stop := v.result(j.rule(to, i, m, v.explain))
		j.chain--
		if stop {
			return true
		}
	}
	return false
}

// below judges a value that lies in another.
func (j *judgement) below(v *verdict, r *rule, i int, at step) bool {
	chain := j.chain
	j.chain = 0
	j.path = append(j.path, at)
	stop := v.result(j.rule(r, i, nil, v.explain))
	j.path = j.path[:len(j.path)-1]
	j.chain = chain
	return stop
}

func (j *judgement) ofType(v *verdict, r *rule, i int) bool {
	if r.types == 0 || r.types&(1<<j.d.Kind(i)) != 0 {
		return false
	}
	if r.types&integer != 0 && j.d.Kind(i) == strictjson.Number {
		if n := j.d.Float(i); n == math.Trunc(n) {
			return false
		}
	}
	return v.fail(func() string { return typeText(j.d, i, r.typeNames) })
}

func (j *judgement) general(v *verdict, r *rule, i int, m *marks) bool {
	if r.constant != nil && !j.same(r.constant, i) && v.fail(func() string { return r.constText }) {
		return true
	}
	if r.enum != nil && !j.oneOfValues(r.enum, i) && v.fail(func() string { return r.enumText }) {
		return true
	}
	if r.not != nil && j.rule(r.not, i, nil, false) && v.fail(func() string { return "'not' failed" }) {
		return true
	}
	for _, all := range r.allOf {
		if v.result(j.rule(all, i, m, v.explain)) {
			return true
		}
	}
	if len(r.anyOf) > 0 && j.union(v, r.anyOf, i, m, false) || len(r.oneOf) > 0 && j.union(v, r.oneOf, i, m, true) {
		return true
	}
	if r.when != nil && (r.then != nil || r.otherwise != nil || m != nil) {
		own := m.fresh()
		next := r.otherwise
		if j.rule(r.when, i, own, false) {
			next = r.then
			m.merge(j, own)
		}
		if next != nil && v.result(j.rule(next, i, m, v.explain)) {
			return true
		}
	}
	return v.done()
}

// union judges by alternatives, of which one may fit, or one alone.
func (j *judgement) union(v *verdict, list []*rule, i int, m *marks, one bool) bool {
	first := -1
	for n, alternative := range list {
		own := m.fresh()
		if !j.rule(alternative, i, own, false) {
			continue
		}
		if one && first >= 0 {
			return v.fail(func() string {
				return "'oneOf' failed, subschemas " + strconv.Itoa(first) + ", " + strconv.Itoa(n) + " matched"
			})
		}
		first = n
		m.merge(j, own)
		if !one && m == nil {
			return false
		}
	}
	if first >= 0 || j.err != nil {
		return v.done()
	}
	v.bad = true
	if !v.explain {
		return true
	}
	for _, alternative := range list {
		if j.rule(alternative, i, nil, true); j.full() {
			return true
		}
	}
	return false
}

func (j *judgement) same(c *constant, i int) bool {
	return c.hash == j.hash[i] && equal(c.document, 0, j.d, i)
}

func (j *judgement) oneOfValues(list []*constant, i int) bool {
	at, _ := slices.BinarySearchFunc(list, j.hash[i], func(c *constant, hash uint64) int {
		switch {
		case c.hash < hash:
			return -1
		case c.hash > hash:
			return 1
		}
		return 0
	})
	for ; at < len(list) && list[at].hash == j.hash[i]; at++ {
		if j.same(list[at], i) {
			return true
		}
	}
	return false
}

func (j *judgement) text(v *verdict, r *rule, i int) bool {
	if r.minLength < 0 && r.maxLength < 0 && r.pattern == nil && r.format == nil {
		return false
	}
	text := j.d.Bytes(i)
	if n := utf8.RuneCount(text); n < r.minLength && v.fail(func() string { return bounds("minLength", n, r.minLength) }) ||
		r.maxLength >= 0 && n > r.maxLength && v.fail(func() string { return bounds("maxLength", n, r.maxLength) }) {
		return true
	}
	if r.pattern != nil && !j.matches(r.pattern, text) && v.fail(func() string {
		return quote(text) + " does not match pattern " + quote([]byte(r.pattern.String()))
	}) {
		return true
	}
	if r.format != nil {
		if err := r.format.Validate(string(text)); err != nil && v.fail(func() string { return quote(text) + " is not valid " + r.format.Name }) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern matches; one that takes too much work ends the
// judgement.
func (j *judgement) matches(p *ecmascript.Pattern, text []byte) bool {
	ok, err := p.Match(text, &j.regexp)
	if err != nil && j.err == nil {
		j.err = ErrWork
		if j.stop != nil && j.stop() {
			j.err = ErrStopped
		}
	}
	return ok
}

func (j *judgement) number(v *verdict, r *rule, i int) bool {
	if r.minimum == nil && r.maximum == nil && r.above == nil && r.below == nil && r.multipleOf == nil {
		return false
	}
	n := j.d.Float(i)
	is := func(keyword string, want float64) func() string {
		return func() string { return keyword + ": got " + float(n) + ", want " + float(want) }
	}
	if r.minimum != nil && n < *r.minimum && v.fail(is("minimum", *r.minimum)) || r.maximum != nil && n > *r.maximum && v.fail(is("maximum", *r.maximum)) ||
		r.above != nil && n <= *r.above && v.fail(is("exclusiveMinimum", *r.above)) || r.below != nil && n >= *r.below && v.fail(is("exclusiveMaximum", *r.below)) {
		return true
	}
	if r.multipleOf != nil {
		// Of the decimal that the double is written as: 0.3 is a multiple of 0.1.
		exact, _ := new(big.Rat).SetString(strconv.FormatFloat(n, 'g', -1, 64))
		want, _ := r.multipleOf.Float64()
		return !exact.Quo(exact, r.multipleOf).IsInt() && v.fail(is("multipleOf", want))
	}
	return false
}
