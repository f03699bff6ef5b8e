package schema

import (
	"bytes"
	"hash/maphash"
	"math"
	"slices"

	"github.com/alkdev/alknet/go/internal/strictjson"
)

// seed keeps a peer from choosing values with one hash.
var seed = maphash.MakeSeed()

// hashes gives each value of a document its hash: equal values have equal ones. It takes
// one pass from the last value to the first.
func hashes(d *strictjson.Document) []uint64 {
	out := make([]uint64, d.Len())
	for i := d.Len() - 1; i >= 0; i-- {
		kind := d.Kind(i)
		h := mix(uint64(kind) + 1)
		switch kind {
		case strictjson.Number:
			h = mix(h ^ math.Float64bits(d.Float(i)))
		case strictjson.String:
			h = mix(h ^ maphash.Bytes(seed, d.Bytes(i)))
		case strictjson.Array:
			for j := i + 1; j < d.Next(i); j = d.Next(j) {
				h = mix(h*31 + out[j])
			}
		case strictjson.Object:
			sum := uint64(0) // in any order
			for j := i + 1; j < d.Next(i); j = d.Next(j + 1) {
				sum += mix(out[j]*31 + mix(out[j+1]))
			}
			h = mix(h ^ sum)
		}
		out[i] = h
	}
	return out
}

var secretWord = maphash.Bytes(seed, []byte("alknet"))

// mix spreads a word over all bits.
func mix(x uint64) uint64 {
	x ^= secretWord
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// equal compares two values. Objects are compared in the order of their names.
func equal(a *strictjson.Document, i int, b *strictjson.Document, j int) bool {
	if a.Kind(i) != b.Kind(j) || a.Count(i) != b.Count(j) {
		return false
	}
	switch a.Kind(i) {
	case strictjson.Number:
		return a.Float(i) == b.Float(j)
	case strictjson.String:
		return bytes.Equal(a.Bytes(i), b.Bytes(j))
	case strictjson.Array:
		for n, m := i+1, j+1; n < a.Next(i); n, m = a.Next(n), b.Next(m) {
			if !equal(a, n, b, m) {
				return false
			}
		}
	case strictjson.Object:
		left, right := sortedNames(a, i), sortedNames(b, j)
		for k := range left {
			if !bytes.Equal(a.Bytes(left[k]), b.Bytes(right[k])) || !equal(a, left[k]+1, b, right[k]+1) {
				return false
			}
		}
	}
	return true
}

func sortedNames(d *strictjson.Document, i int) []int {
	names := make([]int, 0, d.Count(i))
	for n := i + 1; n < d.Next(i); n = d.Next(n + 1) {
		names = append(names, n)
	}
	slices.SortFunc(names, func(x, y int) int { return bytes.Compare(d.Bytes(x), d.Bytes(y)) })
	return names
}
