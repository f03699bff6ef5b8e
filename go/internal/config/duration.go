package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Duration is a span of time, written as in "1m30s". In JSON it may also be a number
// of milliseconds.
type Duration time.Duration

// String gives the duration as UnmarshalText reads it.
func (d Duration) String() string {
	text := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`want a duration such as "5s", "1m30s" or "500ms", not %q`, text)
	}
	*d = Duration(parsed)
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		return d.UnmarshalText([]byte(text))
	}
	var ms float64
	if err := json.Unmarshal(data, &ms); err != nil || ms < 0 || ms > float64(1<<53) {
		return errors.New(`want a number of milliseconds, or a duration such as "5s"`)
	}
	*d = Duration(ms * float64(time.Millisecond))
	return nil
}

// Std returns the duration as the standard library's.
func (d Duration) Std() time.Duration { return time.Duration(d) }
