package replay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ids is the value of --id: ranges of numbers, both ends included.
type ids [][2]uint64

func (v *ids) String() string { return "" }
func (v *ids) Type() string   { return "ids" }

// Set adds ranges like 3,7-9 to those that are there.
func (v *ids) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		a, err := strconv.ParseUint(from, 10, 64)
		b, err2 := strconv.ParseUint(to, 10, 64)
		if err != nil || err2 != nil || a == 0 || a > b {
			return fmt.Errorf("%q is no number of an exchange and no range such as 7-9", part)
		}
		*v = append(*v, [2]uint64{a, b})
	}
	return nil
}

func (v ids) has(id uint64) bool {
	for _, r := range v {
		if r[0] <= id && id <= r[1] {
			return true
		}
	}
	return false
}

// Formats returns how arguments of -o can begin, to say the format.
func Formats() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name+":")
	}
	return names
}

// ParseOutput parses an argument [FORMAT:]FILE of -o. A FILE without FORMAT
// has it by its ending; "-" is stdout and needs a FORMAT. Its errors are
// [*Error]s.
func ParseOutput(arg string) (format, path string, err error) {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
		if rest, ok := strings.CutPrefix(arg, f.name+":"); ok {
			if rest == "" {
				return "", "", &Error{ExitUsage, fmt.Errorf("output %s: no file", arg), arg + "FILE, or " + arg + "- for stdout"}
			}
			return f.name, rest, nil
		}
	}
	if arg == "-" {
		return "", "", &Error{ExitUsage, errors.New("output -: stdout has no name that tells the format"),
			"say which: " + strings.Join(names, ":- ") + ":-"}
	}
	ending := "" // of the longest that fits: .har.gz before .gz
	for _, f := range formats() {
		for _, e := range f.endings {
			if strings.HasSuffix(strings.ToLower(arg), e) && len(e) > len(ending) {
				format, ending = f.name, e
			}
		}
	}
	if format == "" {
		return "", "", &Error{ExitUsage, fmt.Errorf("output %s: its ending does not tell the format", arg),
			"say which: " + strings.Join(names, ", ") + "; as in har:" + arg}
	}
	return format, arg, nil
}
