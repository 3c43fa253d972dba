// Package pcapng stores a recording as TCP connections in a pcapng file, and
// reads captures back: its own without loss, those of other tools as far as
// they hold TCP.
//
// # What a file holds
//
// The kernel never showed us the packets, so the framing is made up: Ethernet,
// IP and TCP headers with correct checksums around what each call of the TLS
// library carried, a handshake at a connection's first byte and FIN (or RST,
// where it was cut) at its end. A byte at position Off of a direction has the
// sequence number isn+1+Off, so bytes that were lost are a hole of the right
// length; it is written as packets that have all of their headers and none of
// their data, which Wireshark shows as "bytes missing in capture file".
//
// Each process is an interface called comm[pid]. Packets carry the direction
// (epb_flags), the process (epb_processid_threadid, and Darwin's process block,
// which Wireshark 4.6 shows) and where bytes are missing epb_dropcount.
//
// # Comments
//
// What TCP cannot say stands in packet comments, which survive editcap and
// mergecap. Those that start with the word ssltape are read back; the rest of
// such a comment is key=value pairs, separated by spaces, where a value that
// is not plain ASCII without spaces is quoted like a Go string:
//
//	ssltape conn=7 pid=42 comm=node exe=/usr/bin/node lib=libssl.so.3 role=client local=10.0.0.5:51234 remote=192.0.2.7:443 sni=example.com
//	    on the SYN of each connection; its sender is the client, and role says
//	    which side was recorded. local and remote are the real addresses, also
//	    where the packet shows others. It comes again, with what is new, when
//	    more becomes known.
//	ssltape parts=3@120000,14@0
//	    the packet holds several chunks: length, and nanoseconds before the
//	    time of the packet. A length of 0 stands for the end of the direction.
//	ssltape lost=3000
//	    on the first packet of a hole: its length.
//	ssltape exchange=12 pid=42 url=https://example.com/
//	    on the first packet of a request, for people.
package pcapng
