package config

import (
	"slices"
	"strings"
)

// maxSuggest bounds the names that are compared, in bytes: no key is longer, and the
// comparison costs the product of the lengths.
const maxSuggest = 64

// suggest returns the known name that a misspelt one was probably meant to be, or "".
func suggest(name string, known []string) string {
	folded := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	if len(name) > maxSuggest {
		return ""
	}
	best, least := "", min(max(2, len(name)/3), len(name)-2)+1
	for _, k := range known {
		if d := distance(folded(name), folded(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" && len(name) >= 3 {
		i := slices.IndexFunc(known, func(k string) bool { return strings.HasPrefix(k, strings.ToLower(name)) })
		if i >= 0 {
			best = known[i]
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements that turn a into b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal
			} else {
				row[j+1] = 1 + min(diagonal, above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
