package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Each script asks this program, which knows its own commands and flags, so that
// there is one answer for all shells; an empty one stands for file names.
var completionScripts = map[string]string{
	"bash": `# alknet completion for bash: eval "$(alknet completion bash)"
_alknet() {
	local IFS=$'\n'
	COMPREPLY=($(alknet complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
	if [[ ${#COMPREPLY[@]} -eq 0 ]]; then
		compopt -o default 2>/dev/null
	fi
}
complete -F _alknet alknet
`,
	"zsh": `#compdef alknet
# alknet completion for zsh: source <(alknet completion zsh)
_alknet() {
	local -a found
	found=("${(@f)$(alknet complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "${found[*]}" ]]; then
		compadd -- "${found[@]}"
	else
		_files
	fi
}
compdef _alknet alknet
`,
	"fish": `# alknet completion for fish: alknet completion fish | source
function __alknet_complete
	set -l words (commandline -opc) (commandline -ct)
	alknet complete -- $words[2..-1] 2>/dev/null
end
complete -c alknet -f -n 'test -n "$(__alknet_complete)"' -a '(__alknet_complete)'
`,
}

func (c *completionCmd) Run(a *app) error {
	_, err := io.WriteString(a.stdout, completionScripts[c.Shell])
	return err
}

// completeCmd is what the scripts ask: the words after the program's name, the last
// of which is being typed.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

func (c *completeCmd) Run(a *app, parser *kong.Kong) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, word := range candidates(parser.Model.Node, words) {
		if _, err := fmt.Fprintln(a.stdout, word); err != nil {
			return err
		}
	}
	return nil
}

// candidates returns what the last of words may become, sorted; none where it is a
// value that cannot be known, such as a file.
func candidates(at *kong.Node, words []string) []string {
	last := ""
	if len(words) > 0 {
		words, last = words[:len(words)-1], words[len(words)-1]
	}
	flags := slices.Clone(at.Flags)
	positions := 0 // arguments of the command that stand there already
	var wants *kong.Flag
	for _, word := range words {
		switch {
		case wants != nil:
			wants = nil
		case strings.HasPrefix(word, "-"):
			name, _, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
			if f := flagOf(flags, name); f != nil && !f.IsBool() && !given {
				wants = f
			}
		default:
			if child := childOf(at, word); child != nil {
				at = child
				flags = append(flags, child.Flags...)
			} else {
				positions++
			}
		}
	}
	var found []string
	switch {
	case wants != nil:
		found = choices(wants.Value)
	case strings.HasPrefix(last, "-"):
		if name, _, given := strings.Cut(last, "="); given {
			if f := flagOf(flags, strings.TrimLeft(name, "-")); f != nil {
				for _, choice := range choices(f.Value) {
					found = append(found, name+"="+choice)
				}
			}
			break
		}
		for _, f := range flags {
			if !f.Hidden {
				found = append(found, "--"+f.Name)
			}
		}
	default:
		for _, child := range at.Children {
			if !child.Hidden && child.Type == kong.CommandNode {
				found = append(found, child.Name)
			}
		}
		if positions < len(at.Positional) {
			found = append(found, choices(at.Positional[positions])...)
		}
	}
	found = slices.DeleteFunc(found, func(word string) bool { return !strings.HasPrefix(word, last) })
	slices.Sort(found)
	return slices.Compact(found)
}

func flagOf(flags []*kong.Flag, name string) *kong.Flag {
	for _, f := range flags {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func childOf(at *kong.Node, name string) *kong.Node {
	for _, child := range at.Children {
		if child.Type == kong.CommandNode && child.Name == name {
			return child
		}
	}
	return nil
}

// choices are the values that a flag or an argument takes, where they are few.
func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}
