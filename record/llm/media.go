package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// describe says what is known of bytes in base64, without them.
func describe(mediaType, base64 string) string {
	return strings.TrimPrefix(fmt.Sprintf("%s, %d bytes", mediaType, len(strings.TrimRight(base64, "="))*3/4), ", ")
}

// mediaName returns what people call bytes of a media type: "image", "audio".
func mediaName(mediaType string) string {
	switch kind, _, _ := strings.Cut(mediaType, "/"); kind {
	case "image", "audio", "video":
		return kind
	}
	return "data"
}

// located says what a URL points to. What a data URL holds is only described
// (RFC 2397).
func located(url string) string {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return url
	}
	mediaType, data, _ := strings.Cut(rest, ",")
	return describe(strings.TrimSuffix(mediaType, ";base64"), data)
}

// cite returns a source as one text.
func cite(title, url string) string {
	return strings.TrimSpace(title + " " + url)
}

// maxOther is how much of the JSON of parts without a kind of their own is kept.
const maxOther = 2000

// compact returns JSON on one line, as much of it as is of use to people.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		b.Reset()
		b.Write(raw)
	}
	if s := b.String(); len(s) > maxOther {
		return strings.ToValidUTF8(s[:maxOther], "") + "…"
	}
	return b.String()
}
