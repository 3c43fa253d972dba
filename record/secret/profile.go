// Package secret knows what a secret is: by the name of a value, by what a value
// looks like, and by how the keys that services hand out begin.
package secret

import "fmt"

// A Profile says what is taken out.
type Profile int

const (
	None    Profile = iota // nothing
	Secrets                // what gives access: credentials, cookies, keys, signatures
	Strict                 // also what says who it was and what was said
)

// Set makes p the profile called s: "none", "secrets" or "strict". With it, and
// Type, a Profile is the value of a flag.
func (p *Profile) Set(s string) error {
	for _, known := range []Profile{None, Secrets, Strict} {
		if s == known.String() {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("redaction %q: choose secrets, strict or none", s)
}

// Type says what the flag takes.
func (p *Profile) Type() string { return "profile" }

// String returns the name that Set takes.
func (p Profile) String() string {
	switch p {
	case None:
		return "none"
	case Secrets:
		return "secrets"
	case Strict:
		return "strict"
	}
	return fmt.Sprintf("Profile(%d)", int(p))
}
