// Package redact takes secrets out of a recording before it is shown or
// stored: [Exchanges] out of exchanges, [Chunks] out of the bytes themselves.
//
// A value goes and its place stays: it becomes <redacted len=108 id=3f9a2c>,
// where equal values have equal ids within one run of the program. Ids are
// keyed with a random number that is never stored, so that they cannot be
// guessed back. What stands for a value in a [record.Chunk] has exactly as many
// bytes as the value had, so that offsets and framing hold.
//
// Everything that is not a secret stays byte for byte as it was. What is one
// is told by package secret, and found by package scan and those within.
package redact

import "ssltape/record/secret"

// A Profile says what is taken out.
type Profile = secret.Profile

const (
	None    = secret.None    // nothing
	Secrets = secret.Secrets // what gives access: credentials, cookies, keys, signatures
	Strict  = secret.Strict  // also what says who it was and what was said
)
