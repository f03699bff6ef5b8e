package schema

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"

	"github.com/alkdev/alknet/go/internal/ecmascript"
	"github.com/alkdev/alknet/go/internal/strictjson"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// rule is one schema, prepared for judging.
type rule struct {
	target   int  // its number among those that references lead to, from 1; 0 is none
	always   int8 // 1 accepts everything, -1 nothing
	old      bool // a draft before 2020-12
	tracks   bool // it looks at what other keywords have not
	resource *resource
	ref      *rule
	dynamic  *rule  // a reference
	anchor   string // that it looks for in the resources on the way to it
	scoped   bool   // it does

	types     uint8
	typeNames []string
	enum      []*constant
	enumText  string
	constant  *constant
	constText string
	not       *rule
	allOf     []*rule
	anyOf     []*rule
	oneOf     []*rule
	when      *rule
	then      *rule
	otherwise *rule
	format    *jsonschema.Format

	maxProperties, minProperties int // -1 is none
	required                     []string
	names                        map[string]int // that keywords ask for, with their number
	propertyNames                *rule
	properties                   map[string]*rule
	patterns                     []patternRule
	additional                   *rule
	dependentNames               map[string][]string
	dependentRules               map[string]*rule
	unevaluatedProperties        *rule

	minItems, maxItems       int
	unique                   bool
	contains                 *rule
	minContains, maxContains int
	prefix                   []*rule
	items                    *rule
	extra                    bool // items are those beyond a prefix of a draft before 2020-12
	unevaluatedItems         *rule

	minLength, maxLength int
	pattern              *ecmascript.Pattern

	minimum, maximum, above, below *float64
	multipleOf                     *big.Rat
}

type patternRule struct {
	pattern *ecmascript.Pattern
	rule    *rule
}

// resource is what a dynamic reference looks for its anchor in.
type resource struct {
	anchors map[string]*rule // "" is where $recursiveRef leads to
}

type builder struct {
	schema    *Schema
	rules     map[*jsonschema.Schema]*rule
	resources map[*jsonschema.Schema]*resource
	err       error
}

// build prepares a compiled schema.
func build(compiled *jsonschema.Schema) (*Schema, error) {
	b := &builder{&Schema{compiled: compiled}, map[*jsonschema.Schema]*rule{}, map[*jsonschema.Schema]*resource{}, nil}
	b.schema.root = b.targetRule(compiled)
	b.schema.rules = len(b.rules)
	anchors := map[string]int{}
	for _, r := range b.resources {
		for name := range r.anchors {
			anchors[name]++
		}
	}
	for _, n := range anchors {
		b.schema.scoped = b.schema.scoped || n > 1
	}
	return b.schema, b.err
}

// targetRule is rule for what a reference leads to.
func (b *builder) targetRule(s *jsonschema.Schema) *rule {
	r := b.rule(s)
	if r != nil && r.target == 0 && r.always == 0 {
		b.schema.targets++
		r.target = b.schema.targets
	}
	return r
}

func (b *builder) list(list []*jsonschema.Schema) []*rule {
	var out []*rule
	for _, s := range list {
		out = append(out, b.rule(s))
	}
	return out
}

func (b *builder) byName(m map[string]*jsonschema.Schema) map[string]*rule {
	if len(m) == 0 {
		return nil
	}
	out := map[string]*rule{}
	for name, s := range m {
		out[name] = b.rule(s)
	}
	return out
}

func (b *builder) constant(value any) *constant {
	c, err := newConstant(value)
	if err != nil && b.err == nil {
		b.err = err
	}
	return c
}

func (b *builder) pattern(p jsonschema.Regexp) *ecmascript.Pattern {
	if p == nil {
		return nil
	}
	out, ok := p.(*ecmascript.Pattern)
	if !ok && b.err == nil {
		b.err = fmt.Errorf("the pattern %.80q is of another engine", p.String())
	}
	return out
}

func bound(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

func number(n *big.Rat) *float64 {
	if n == nil {
		return nil
	}
	f, _ := n.Float64()
	return &f
}

// boolOr makes a rule of what may be a boolean or a schema.
func (b *builder) boolOr(v any) *rule {
	switch v := v.(type) {
	case bool:
		if v {
			return &rule{always: 1}
		}
		return &rule{always: -1}
	case *jsonschema.Schema:
		return b.rule(v)
	}
	return nil
}

var kinds = map[string]uint8{
	"null": 1 << strictjson.Null, "boolean": 1<<strictjson.True | 1<<strictjson.False, "string": 1 << strictjson.String,
	"array": 1 << strictjson.Array, "object": 1 << strictjson.Object, "number": 1 << strictjson.Number, "integer": integer,
}

// integer stands for whole numbers in rule.types.
const integer = 1 << 7

func (b *builder) rule(s *jsonschema.Schema) *rule {
	if s == nil {
		return nil
	}
	if known := b.rules[s]; known != nil {
		return known
	}
	r := &rule{}
	b.rules[s] = r
	if s.Bool != nil {
		r.always = -1
		if *s.Bool {
			r.always = 1
		}
		return r
	}
	r.old = s.DraftVersion < 2020
	r.resource = b.resourceOf(s)
	r.ref = b.targetRule(s.Ref)
	switch {
	case s.DynamicRef != nil:
		r.dynamic, r.anchor = b.targetRule(s.DynamicRef.Ref), s.DynamicRef.Anchor
		r.scoped = r.anchor != "" && s.DynamicRef.Ref.DynamicAnchor == r.anchor
	case s.RecursiveRef != nil:
		r.dynamic, r.scoped = b.targetRule(s.RecursiveRef), s.RecursiveRef.RecursiveAnchor
	}
	b.general(r, s)
	b.objects(r, s)
	b.arrays(r, s)
	r.minLength, r.maxLength, r.pattern = bound(s.MinLength), bound(s.MaxLength), b.pattern(s.Pattern)
	r.minimum, r.maximum, r.above, r.below = number(s.Minimum), number(s.Maximum), number(s.ExclusiveMinimum), number(s.ExclusiveMaximum)
	r.multipleOf = s.MultipleOf
	r.tracks = r.unevaluatedProperties != nil || r.unevaluatedItems != nil
	return r
}

func (b *builder) general(r *rule, s *jsonschema.Schema) {
	if s.Types != nil {
		r.typeNames = s.Types.ToStrings()
		for _, name := range r.typeNames {
			r.types |= kinds[name]
		}
	}
	if s.Enum != nil {
		b.schema.hashed = true
		r.enum, r.enumText = []*constant{}, enumText(s.Enum.Values)
		for _, value := range s.Enum.Values {
			r.enum = append(r.enum, b.constant(value))
		}
		slices.SortFunc(r.enum, func(x, y *constant) int {
			switch {
			case x == nil || y == nil || x.hash == y.hash:
				return 0
			case x.hash < y.hash:
				return -1
			}
			return 1
		})
	}
	if s.Const != nil {
		b.schema.hashed = true
		r.constant, r.constText = b.constant(*s.Const), constText(*s.Const)
	}
	r.not, r.allOf, r.anyOf, r.oneOf = b.rule(s.Not), b.list(s.AllOf), b.list(s.AnyOf), b.list(s.OneOf)
	r.when, r.then, r.otherwise, r.format = b.rule(s.If), b.rule(s.Then), b.rule(s.Else), s.Format
}

func (b *builder) objects(r *rule, s *jsonschema.Schema) {
	r.maxProperties, r.minProperties, r.required = bound(s.MaxProperties), bound(s.MinProperties), s.Required
	r.propertyNames, r.properties, r.additional = b.rule(s.PropertyNames), b.byName(s.Properties), b.boolOr(s.AdditionalProperties)
	for pattern, property := range s.PatternProperties {
		r.patterns = append(r.patterns, patternRule{b.pattern(pattern), b.rule(property)})
	}
	r.dependentNames, r.dependentRules = map[string][]string{}, map[string]*rule{}
	for name, list := range s.DependentRequired {
		r.dependentNames[name] = list
	}
	for name, rule := range b.byName(s.DependentSchemas) {
		r.dependentRules[name] = rule
	}
	for name, dependency := range s.Dependencies {
		switch dependency := dependency.(type) {
		case []string:
			r.dependentNames[name] = dependency
		default:
			r.dependentRules[name] = b.boolOr(dependency)
		}
	}
	r.unevaluatedProperties = b.rule(s.UnevaluatedProperties)
	ask := func(name string) {
		if r.names == nil {
			r.names = map[string]int{}
		}
		if _, known := r.names[name]; !known {
			r.names[name] = len(r.names)
		}
	}
	for _, name := range r.required {
		ask(name)
	}
	for name, list := range r.dependentNames {
		ask(name)
		for _, name := range list {
			ask(name)
		}
	}
	for name := range r.dependentRules {
		ask(name)
	}
}

func (b *builder) arrays(r *rule, s *jsonschema.Schema) {
	r.minItems, r.maxItems, r.unique = bound(s.MinItems), bound(s.MaxItems), s.UniqueItems
	b.schema.hashed = b.schema.hashed || r.unique
	r.contains, r.minContains, r.maxContains = b.rule(s.Contains), 1, bound(s.MaxContains)
	if s.MinContains != nil {
		r.minContains = *s.MinContains
	}
	r.prefix, r.items = b.list(s.PrefixItems), b.rule(s.Items2020)
	switch items := s.Items.(type) {
	case *jsonschema.Schema:
		r.items = b.rule(items)
	case []*jsonschema.Schema:
		r.prefix, r.items, r.extra = b.list(items), b.boolOr(s.AdditionalItems), true
	}
	r.unevaluatedItems = b.rule(s.UnevaluatedItems)
}

// resourceOf returns the resource that a schema is in. The library keeps it to itself,
// with the anchors that no reference leads to but a dynamic one.
func (b *builder) resourceOf(s *jsonschema.Schema) *resource {
	fields := reflect.ValueOf(s).Elem()
	root := (*jsonschema.Schema)(fields.FieldByName("resource").UnsafePointer())
	if root == nil {
		root = s
	}
	if known := b.resources[root]; known != nil {
		return known
	}
	found := &resource{anchors: map[string]*rule{}}
	b.resources[root] = found
	if root.RecursiveAnchor {
		found.anchors[""] = b.targetRule(root)
	}
	anchors := reflect.ValueOf(root).Elem().FieldByName("dynamicAnchors")
	for _, name := range anchors.MapKeys() {
		found.anchors[name.String()] = b.targetRule((*jsonschema.Schema)(anchors.MapIndex(name).UnsafePointer()))
	}
	return found
}
