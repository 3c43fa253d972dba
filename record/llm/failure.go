package llm

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"ssltape/record"
)

// Failure returns what the answer of x says went wrong, which a stream can do
// after a status of 200: the provider's error, or what an event called error
// of any stream holds. It is "" where the answer says nothing of the kind.
func Failure(x *record.Exchange) string {
	if a, ok := find(x); ok && a.mayFail(x) {
		c := &Chat{Usage: noUsage}
		if len(x.WebSocket) > 0 {
			talk(c, x)
		} else {
			a.reply(c, &x.Response)
		}
		if c.Error != "" {
			return c.Error
		}
	}
	if i := slices.IndexFunc(x.Response.Events, isError); i >= 0 {
		return cmp.Or(x.Response.Events[i].Data, "error")
	}
	return ""
}

func isError(e record.Event) bool { return e.Type == "error" }

// mayFail reports whether there is a word in the answer of x without which no
// provider says that something failed: most answers need not be read for it.
func (a *api) mayFail(x *record.Exchange) bool {
	r := &x.Response
	switch {
	case len(x.WebSocket) > 0:
		return true
	case r.IsEventStream():
		return slices.ContainsFunc(r.Events, func(e record.Event) bool {
			return isError(e) || strings.Contains(e.Data, "error") || strings.Contains(e.Data, "fail")
		})
	case r.MediaType() == awsStream: // the word is in a frame's head
		return true
	}
	b, _ := content(&r.Message)
	return bytes.Contains(b, []byte("error")) || bytes.Contains(b, []byte("fail"))
}
