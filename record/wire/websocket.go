package wire

import (
	"encoding/binary"

	"ssltape/record"
)

// frame returns m as one frame (RFC 6455, section 5.2), as much of it as was
// kept: what is missing in a message does not say where. The client's are
// masked, as they must be, with a key that changes nothing. A message that was
// deflated when it came is sent inflated, which an extension leaves free.
func frame(m *record.WebSocketMessage) []byte {
	const fin, masked = 0x80, 0x80
	b := []byte{fin | m.Opcode&0x0f, 0}
	switch n := len(m.Data); {
	case n < 126:
		b[1] = byte(n)
	case n <= 0xffff:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if m.FromClient {
		b[1] |= masked
		b = append(b, 0, 0, 0, 0)
	}
	return append(b, m.Data...)
}
