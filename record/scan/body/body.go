// Package body finds the secrets in bodies, by their media types.
package body

import (
	"strings"

	"ssltape/record/scan"
	"ssltape/record/scan/binary"
	"ssltape/record/scan/json"
)

// New returns the sink for a body of the given Content-Type.
func New(s *scan.Finder, contentType string) scan.Sink { return newBody(s, contentType, 0) }

// newBody returns the sink for a body, or for a part of one where level says
// how deep.
func newBody(s *scan.Finder, contentType string, level int) scan.Sink {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	if f := binary.Of(media); f != nil {
		return binary.New(s, f)
	}
	switch {
	case media == "text/event-stream":
		return newEvents(s)
	case media == "application/x-www-form-urlencoded":
		return newForm(s)
	case strings.HasPrefix(media, "multipart/") && level < json.MaxNesting:
		return newMultipart(s, contentType, level)
	case strings.HasSuffix(media, "ndjson"), strings.HasSuffix(media, "jsonl"), strings.HasSuffix(media, "json-seq"), strings.HasSuffix(media, "jsonlines"):
		return json.NewSeries(s)
	case strings.HasSuffix(media, "json"):
		return json.NewDocument(s)
	case strings.HasSuffix(media, "xml"), media == "text/html":
		return newMarkup(s, strings.Contains(media, "html"))
	case media == "application/graphql":
		return json.NewGraphQL(s)
	case media == "application/http", media == "message/http":
		return newFields(s, New(s, ""))
	case isSettings(media):
		return newSettings(s)
	case level == 0 && (media == "" || media == "text/plain" || media == "application/octet-stream"):
		return &unlabelled{s: s}
	}
	return json.NewLoose(s)
}
