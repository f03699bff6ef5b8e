package ecmascript

import (
	"slices"
	"strings"
	"unicode"
)

// set holds characters as pairs of the first and the last of a range, in order.
type set []rune

func (s set) merged() set {
	pairs := make([][2]rune, 0, len(s)/2)
	for i := 0; i < len(s); i += 2 {
		pairs = append(pairs, [2]rune{s[i], s[i+1]})
	}
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var out set
	for _, p := range pairs {
		if n := len(out); n > 0 && p[0] <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p[1])
			continue
		}
		out = append(out, p[0], p[1])
	}
	return out
}

// not returns all other characters.
func (s set) not() set {
	out := set{}
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, next, unicode.MaxRune)
	}
	return out
}

func (s set) has(r rune) bool {
	low, high := 0, len(s)/2
	for low < high {
		mid := (low + high) / 2
		switch {
		case r < s[2*mid]:
			high = mid
		case r > s[2*mid+1]:
			low = mid + 1
		default:
			return true
		}
	}
	return false
}

// minus returns s without the characters of other.
func (s set) minus(other set) set {
	return append(s.not(), other...).merged().not()
}

func union(tables ...*unicode.RangeTable) set {
	var out set
	for _, t := range tables {
		for _, r := range t.R16 {
			out = appendRange(out, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			out = appendRange(out, rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return out.merged()
}

func appendRange(out set, low, high, stride rune) set {
	if stride == 1 {
		return append(out, low, high)
	}
	for r := low; r <= high; r += stride {
		out = append(out, r, r)
	}
	return out
}

var (
	lineEnds   = set{'\n', '\n', '\r', '\r', 0x2028, 0x2029}
	digit      = set{'0', '9'}
	word       = set{'0', '9', 'A', 'Z', '_', '_', 'a', 'z'}
	space      = append(union(unicode.Zs), '\t', '\r', 0x2028, 0x2029, 0xfeff, 0xfeff).merged()
	idStart    = union(unicode.L, unicode.Nl, unicode.Other_ID_Start).minus(union(unicode.Pattern_Syntax, unicode.Pattern_White_Space))
	idContinue = append(union(unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue), idStart...).merged()
)

// categories gives the long names of general categories.
var categories = map[string]string{
	"Letter": "L", "Cased_Letter": "LC", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt", "Modifier_Letter": "Lm", "Other_Letter": "Lo",
	"Mark": "M", "Combining_Mark": "M", "Nonspacing_Mark": "Mn", "Spacing_Mark": "Mc", "Enclosing_Mark": "Me",
	"Number": "N", "Decimal_Number": "Nd", "digit": "Nd", "Letter_Number": "Nl", "Other_Number": "No",
	"Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc", "Dash_Punctuation": "Pd", "Open_Punctuation": "Ps", "Close_Punctuation": "Pe",
	"Initial_Punctuation": "Pi", "Final_Punctuation": "Pf", "Other_Punctuation": "Po",
	"Symbol": "S", "Math_Symbol": "Sm", "Currency_Symbol": "Sc", "Modifier_Symbol": "Sk", "Other_Symbol": "So",
	"Separator": "Z", "Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp",
	"Other": "C", "Control": "Cc", "cntrl": "Cc", "Format": "Cf", "Surrogate": "Cs", "Private_Use": "Co", "Unassigned": "Cn",
}

func category(name string) (set, bool) {
	if short, ok := categories[name]; ok {
		name = short
	}
	switch name {
	case "LC":
		return union(unicode.Lu, unicode.Ll, unicode.Lt), true
	case "Cn":
		return assigned().not(), true
	case "C":
		return append(assigned().not(), union(unicode.C)...).merged(), true
	}
	if table, ok := unicode.Categories[name]; ok {
		return union(table), true
	}
	return nil, false
}

func assigned() set {
	return union(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co)
}

// property returns the characters of \p{text}.
func property(text string) (set, bool) {
	name, value, two := strings.Cut(text, "=")
	if two {
		switch name {
		case "General_Category", "gc":
			return category(value)
		case "Script", "sc", "Script_Extensions", "scx":
			table, ok := unicode.Scripts[value]
			if short := scripts[value]; !ok && short != "" {
				table, ok = unicode.Scripts[short]
			}
			if !ok {
				return nil, false
			}
			return union(table), true
		}
		return nil, false
	}
	if s, ok := binaryProperty(name); ok {
		return s, true
	}
	return category(name)
}

// scripts gives the short names of the scripts that are used most.
var scripts = map[string]string{
	"Latn": "Latin", "Grek": "Greek", "Cyrl": "Cyrillic", "Armn": "Armenian", "Hebr": "Hebrew", "Arab": "Arabic", "Deva": "Devanagari", "Beng": "Bengali",
	"Thai": "Thai", "Geor": "Georgian", "Hang": "Hangul", "Hira": "Hiragana", "Kana": "Katakana", "Hani": "Han", "Taml": "Tamil", "Telu": "Telugu",
	"Ethi": "Ethiopic", "Khmr": "Khmer", "Mong": "Mongolian", "Zyyy": "Common", "Zinh": "Inherited", "Qaai": "Inherited",
}

func binaryProperty(name string) (set, bool) {
	switch name {
	case "Any":
		return set{0, unicode.MaxRune}, true
	case "ASCII":
		return set{0, 127}, true
	case "Assigned":
		return assigned(), true
	case "Alphabetic", "Alpha":
		return union(unicode.L, unicode.Nl, unicode.Other_Alphabetic), true
	case "Uppercase", "Upper":
		return union(unicode.Lu, unicode.Other_Uppercase), true
	case "Lowercase", "Lower":
		return union(unicode.Ll, unicode.Other_Lowercase), true
	case "Math":
		return union(unicode.Sm, unicode.Other_Math), true
	case "White_Space", "space":
		return union(unicode.White_Space), true
	case "ID_Start", "IDS":
		return idStart, true
	case "ID_Continue", "IDC":
		return idContinue, true
	case "AHex":
		name = "ASCII_Hex_Digit"
	case "Hex":
		name = "Hex_Digit"
	}
	if s, ok := emoji[name]; ok {
		return s, true
	}
	// Of the rest those that ECMA-262 lists and that are no part of a derived one.
	switch name {
	case "ASCII_Hex_Digit", "Bidi_Control", "Dash", "Deprecated", "Diacritic", "Extender", "Hex_Digit", "IDS_Binary_Operator", "IDS_Trinary_Operator", "Ideographic",
		"Join_Control", "Logical_Order_Exception", "Noncharacter_Code_Point", "Pattern_Syntax", "Pattern_White_Space", "Quotation_Mark", "Radical", "Regional_Indicator",
		"Sentence_Terminal", "Soft_Dotted", "Terminal_Punctuation", "Unified_Ideograph", "Variation_Selector":
		if table, ok := unicode.Properties[name]; ok {
			return union(table), true
		}
	}
	return nil, false
}
