package record

import "slices"

// anomalies is a set of oddities of the traffic. None of them is an error:
// they tell how a message was read where the standard leaves it open, or says
// that it must be refused.
type anomalies uint64

// The oddities, with the section of RFC 9112 (where not said otherwise) that
// they offend against.
const (
	bareLF            anomalies = 1 << iota // 2.2
	bareCR                                  // 2.2
	junkBefore                              // 2.2: bytes before the start line
	badStatusLine                           // 4
	badField                                // 5: no colon, or no token before it
	spaceBeforeColon                        // 5.1
	obsFold                                 // 5.2
	foldedFraming                           // 5.2: a folded line that frames the message
	badTransferCoding                       // 6.1: chunked is there, but not alone or not last
	chunkedOldVersion                       // 6.1: in a message of HTTP/1.0
	lengthAndCoding                         // 6.1: both Content-Length and Transfer-Encoding
	badLength                               // 6.3: Content-Length is not a number
	manyLengths                             // 6.3: different ones
	badChunk                                // 7.1: the size of a chunk, or what follows its data
	bodyNotAllowed                          // 6.3: a body after 1xx, 204 or 304
	bodyNotSent                             // RFC 9110, 10.1.1: Expect, answered before the body
	oldAnswer                               // RFC 1945, 3.1: a response without head (HTTP/0.9)
	noRequest                               // 9.2: the request was not seen
	noHost                                  // 3.2: HTTP/1.1 without Host, or several
	manyOpen                                // more requests without a response than are kept
	bodyNotKept                             // ours: the body could not be written to its file
	eventsCut                               // ours: more events than are kept
)

// anomalyNames are the names in the order above.
var anomalyNames = [...]string{"bare-lf", "bare-cr", "junk-before-message", "bad-status-line", "bad-field", "space-before-colon",
	"obs-fold", "folded-framing-field", "bad-transfer-coding", "chunked-in-1.0", "length-and-transfer-coding", "bad-content-length",
	"several-content-lengths", "bad-chunk", "body-not-allowed", "expected-body-not-sent", "http-0.9-response", "request-not-seen",
	"bad-host", "too-many-open-requests", "body-not-kept", "events-cut"}

// note adds the names of set to x.
func (x *Exchange) note(set anomalies) {
	for i := 0; set != 0; i, set = i+1, set>>1 {
		if set&1 != 0 && !slices.Contains(x.Anomalies, anomalyNames[i]) {
			x.Anomalies = append(x.Anomalies, anomalyNames[i])
		}
	}
}
