// Package tlslib finds the functions of TLS libraries in ELF files: those that
// carry plaintext or end a connection, how each takes its arguments, and the
// place in it where a probe costs least.
package tlslib

import "errors"

// A Function is a function of a TLS library that carries plaintext or ends a
// connection.
type Function struct {
	Name   string
	Addr   uint64 // of the function, as linked
	Offset uint64 // of the probe, in the file
	How    string // what the function was found by, one line
}

// A Stack is an implementation of TLS in a file.
type Stack struct {
	Name      string     // such as "OpenSSL"
	Version   string     // "" where the file does not say
	Functions []Function // what is hooked; empty where it cannot be recorded
	Refused   string     // why there are no Functions
}

// An Attachment is a file that holds TLS functions.
type Attachment struct {
	Path    string
	Library string  // what the file is called in a recording, such as "libssl.so.3"
	Stacks  []Stack // at least one
	// ShutdownFlags is where in a connection of it its shutdown flags are, in
	// bytes; 0 where unknown.
	ShutdownFlags uint32
}

// ErrNoTLS is what a file without TLS functions that can be hooked is refused
// with.
var ErrNoTLS = errors.New("no TLS functions that can be hooked")
