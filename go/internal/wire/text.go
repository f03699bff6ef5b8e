package wire

import (
	"strconv"
	"unicode/utf8"
)

// AppendText appends s to dst as a JSON string (RFC 8259, section 7). Bytes that
// are not UTF-8 become U+FFFD, so that what is sent is always valid.
func AppendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n != 1 {
				i += n
				continue
			}
			dst = append(dst, s[from:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			from = i
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// loneSurrogate reports whether a scanned JSON string has an escape of a surrogate that
// is not one half of a pair (RFC 8259, section 8.2).
func loneSurrogate(raw []byte) bool {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		if raw[i] != 'u' || !isSurrogate(raw, i) {
			continue
		}
		if raw[i+1]|0x20 == 'd' && raw[i+2]|0x20 >= 'c' { // a low one first
			return true
		}
		if i+6 >= len(raw) || raw[i+5] != '\\' || raw[i+6] != 'u' || !isSurrogate(raw, i+6) || raw[i+8]|0x20 < 'c' {
			return true
		}
		i += 10
	}
	return false
}

// isSurrogate reports whether the u at i begins the escape of a surrogate.
func isSurrogate(raw []byte, i int) bool {
	if i+4 >= len(raw) {
		return false
	}
	n, err := strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
	return err == nil && n >= 0xd800 && n <= 0xdfff
}
