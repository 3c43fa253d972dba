package assembly_test

import (
	"fmt"
	"io"
	"log"
	"strings"

	"ssltape/record"
	"ssltape/record/assembly"
	"ssltape/record/recordtest"
)

// printer is an ExchangeWriter that shows whole exchanges.
type printer struct{}

func (printer) WriteExchange(x *record.Exchange) error {
	if !x.Done() {
		return nil
	}
	body, err := x.Response.Decode()
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	fmt.Printf("%d: %s %s: %d %q\n", x.ID, x.Request.Method, x.URL(), x.Response.Status, text)
	return err
}

func ExampleAssembler() {
	chunks := recordtest.Read(strings.NewReader(`
		> "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n"
		< "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nHel"
		< "\r\n2\r\nlo\r\n0\r\n\r\n"
	`))
	a := assembly.New(printer{}, assembly.Options{})
	if err := record.Copy(chunks, a); err != nil {
		log.Fatal(err)
	}
	if err := a.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v, %d bytes unparsed\n", a.Stats().Conns, a.Stats().Unparsed)
	// Output:
	// 1: GET https://example.com/a: 200 "Hello"
	// map[HTTP/1:1], 0 bytes unparsed
}
