package replay

import (
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
