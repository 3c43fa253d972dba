package replay

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ssltape/record/view"
)

// leftOut says what s, called name, holds besides exchanges, so that nothing
// is missing silently. It is called after Copy.
func (s *Source) leftOut(name string, stderr io.Writer) {
	name = view.Escape(name)
	if s.chunks == nil {
		return
	}
	var rest []string
	unknown, tls := s.Conns["unknown"], s.Conns["TLS"]
	for _, proto := range slices.Sorted(maps.Keys(s.Conns)) {
		switch n := s.Conns[proto]; proto {
		case "HTTP/1", "HTTP/2", "WebSocket", "unknown":
		default:
			rest = append(rest, fmt.Sprintf("%s %d", proto, n))
		}
	}
	for _, proto := range slices.Sorted(maps.Keys(s.Capture.Streams)) {
		n := min(unknown, s.Capture.Streams[proto])
		if unknown -= n; n > 0 {
			rest = append(rest, fmt.Sprintf("%s %d", proto, n))
		}
	}
	if unknown > 0 {
		rest = append(rest, fmt.Sprintf("unknown %d", unknown))
	}
	switch {
	case len(rest) > 0 && s.count > 0:
		fmt.Fprintf(stderr, "ssltape: %s: left out connections that do not speak HTTP: %s\n", name, strings.Join(rest, ", "))
	case len(rest) > 0:
		fmt.Fprintf(stderr, "ssltape: %s: no HTTP in it; connections: %s\n", name, strings.Join(rest, ", "))
	case s.count == 0:
		fmt.Fprintf(stderr, "ssltape: %s: no HTTP in it: %s\n", name, s.packets())
	}
	s.advise(name, tls, stderr)
}

// advise gives the way out where what is left out can be had.
func (s *Source) advise(name string, tls int, stderr io.Writer) {
	c := &s.Capture
	switch {
	case tls > 0 && c.Secrets > 0:
		fmt.Fprintf(stderr, "hint: TLS is encrypted, but the file has secrets of it: Wireshark shows it, and tshark -r %s --export-objects http,DIR writes the bodies; ssltape record sees it without\n", name)
	case tls > 0:
		fmt.Fprintln(stderr, "hint: TLS is encrypted: ssltape record sees what the program says; with a key log file, editcap --inject-secrets tls,KEYLOG IN OUT makes a capture that Wireshark and tshark decrypt")
	case s.count == 0 && c.WiFi > 0:
		fmt.Fprintln(stderr, "hint: airdecap-ng, or tshark with the network's key, decrypts what was captured on a wireless network")
	case s.count == 0 && c.QUIC > 0:
		fmt.Fprintln(stderr, "hint: HTTP/3 is in QUIC, which is encrypted and not read; ssltape record sees it where the library is one that it hooks")
	}
}

// packets says what the packets of a capture are that holds no connection.
func (s *Source) packets() string {
	c := &s.Capture
	if c.Packets == 0 {
		return "no packets"
	}
	var of []string
	other := c.Other - c.WiFi
	for _, n := range c.Links {
		other -= n
	}
	for _, p := range []struct {
		n    int
		what string
	}{{c.TCP, "of TCP, without data"}, {c.UDP - c.QUIC, "of UDP"}, {c.QUIC, "of UDP at port 443 (QUIC)"},
		{c.WiFi, "of an encrypted wireless network"}, {other, "of something else"}} {
		if p.n > 0 {
			of = append(of, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	for _, link := range slices.Sorted(maps.Keys(c.Links)) {
		of = append(of, fmt.Sprintf("%d of link type %d, which replay does not read", c.Links[link], link))
	}
	packets := "packets"
	if c.Packets == 1 {
		packets = "packet"
	}
	return fmt.Sprintf("%d %s, %s", c.Packets, packets, strings.Join(of, ", "))
}
