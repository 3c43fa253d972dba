package filter

// Help says how filters are written, for people.
const Help = `A filter is made of terms. Terms side by side must all match.

    host:api.example.com status:4xx,5xx     both; a comma is or within a term
    is:sse or time:>2s                      or between terms
    -path:/health   not path:/health        leaves out
    (is:llm or model:gpt*) method:POST      parentheses

A term is key:value, or a word, which is a part of the URL. A value is
    text     with * and ? as wildcards; case does not matter
    "text"   in quotes, which take away the meaning of all that follows
    /re/     a regular expression (RE2) without spaces, where case matters; /re/i
    a range  of a number: 200..299  4xx  >=500  >2s  <100ms  >10k  1MiB..

Keys of which all of the text must match:
    host     with or without the port              domain
    path     with or without the query
    method   type (json, text/html, sse)           mime-type
    comm     name of the process
    event    type of a server-sent event           model   of a language model
Keys of which a part of the text must match:
    url      header   req.header (Name: value)     body   req.body (decoded)
Keys of numbers:
    status                                         status-code
    time     all of the exchange, in s or with a unit: 2s, 100ms
    size     req.size, bytes of a body: 10k, 1MiB  larger-than
    pid      conn   id
Others:
    after    before: 14:30, 2026-01-02, 2026-01-02T14:30:00
    is       sse llm error incomplete lost cut websocket; error is a status
             of 400 and above, an exchange that is incomplete, an event
             called error, and an answer of a language model that says it
             failed, in a stream too
    has      header.NAME req.header.NAME body req.body
The names on the right are those of Chrome's developer tools and do the same.

In a shell, quote what has spaces, parentheses, > or *:
    ssltape replay s.har 'status:>=400' '-path:/health*'
    ssltape record -F 'host:*.example.com (is:sse or is:error)' -o s.har -- node app.js
`

// Words returns what terms can begin with, and all terms that have few values,
// for shells to complete.
func Words() []string {
	var words []string
	for _, k := range keys() {
		words = append(words, k.name+":")
	}
	for _, s := range states {
		words = append(words, "is:"+s.name)
	}
	return append(words, "has:body", "has:req.body", "has:header.", "has:req.header.")
}
