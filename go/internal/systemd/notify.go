package systemd

import (
	"fmt"
	"net"
	"os"
	"strings"
	"unicode"
)

// The states of sd_notify(3).
const (
	// Ready says that the service has started, or has reloaded.
	Ready = "READY=1"
	// Stopping says that the service is ending.
	Stopping = "STOPPING=1"
)

// Status gives the state that shows a text in `systemctl status`, in one line. What
// cannot be printed becomes a space: the text may quote what others wrote.
func Status(text string) string {
	return "STATUS=" + strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// Notify tells the service manager of states; it does nothing outside a service.
func Notify(states ...string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	// "@" stands for the abstract namespace here as there.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}
