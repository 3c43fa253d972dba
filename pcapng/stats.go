package pcapng

import (
	"bytes"

	"ssltape/pcapng/tcpip"
)

// Stats say what a capture holds besides what [Read] yields.
type Stats struct {
	tcpip.Counts
	Secrets int            // blocks with secrets that decrypt what is in the file
	Streams map[string]int // connections of others than a [Writer], by the protocol that their first bytes tell
}

// A protocol is told by what the first bytes of either end have at a place.
type protocol struct {
	name string
	at   int
	has  string
}

// protocols are those that captures often have beside HTTP and TLS.
func protocols() []protocol {
	return []protocol{
		{"SSH", 0, "SSH-"},
		{"POP3", 0, "+OK"},
		{"IMAP", 0, "* OK"},
		{"SMB", 4, "\xffSMB"},
		{"SMB", 4, "\xfeSMB"},
		{"BitTorrent", 0, "\x13BitTorrent protocol"},
		{"VNC", 0, "RFB 00"},
		{"AMQP", 0, "AMQP"},
		{"MQTT", 4, "MQTT"},
		{"PostgreSQL", 4, "\x00\x03\x00\x00"},
		{"PostgreSQL", 4, "\x04\xd2\x16\x2f"},
		{"MySQL", 3, "\x00\x0a"},
		{"Redis", 0, "*1\r\n$"},
		{"Redis", 0, "*2\r\n$"},
		{"Redis", 0, "*3\r\n$"},
		{"IRC", 0, "NICK "},
		{"RDP", 0, "\x03\x00\x00"},
		{"SIP", 0, "SIP/2.0"},
		{"RTSP", 0, "RTSP/1.0"},
		{"telnet", 0, "\xff\xfb"},
		{"telnet", 0, "\xff\xfd"},
		{"XMPP", 0, "<stream:stream"},
		{"DCE/RPC", 0, "\x05\x00\x0b"},
		{"DNP3", 0, "\x05\x64"},
	}
}

// protocolOf returns the protocol of a stream that begins with b in one
// direction, or "".
func protocolOf(b []byte) string {
	for _, p := range protocols() {
		if len(b) > p.at && bytes.HasPrefix(b[p.at:], []byte(p.has)) {
			return p.name
		}
	}
	line, _, _ := bytes.Cut(b[:min(len(b), maxHead)], []byte("\n"))
	switch {
	case !bytes.HasPrefix(line, []byte("220")):
	case bytes.Contains(bytes.ToUpper(line), []byte("SMTP")):
		return "SMTP"
	default:
		return "FTP"
	}
	for _, name := range []string{"RTSP", "SIP"} {
		if bytes.Contains(line, []byte(" "+name+"/")) {
			return name
		}
	}
	return ""
}
