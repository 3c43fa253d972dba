package tlslib

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"ssltape/bpf/locate"
	"ssltape/bpf/symtab"
)

// rustCalls are the functions of rustls from 0.20 to 0.23 that are hooked, by
// their names without "rustls::" and the module that they are in, which
// changes. Others stand between an application and these, and are often
// compiled into it: rustls::Stream, those of tokio-rustls, rustls::Writer.
var rustCalls = map[string]Call{
	"<Reader as std::io::Read>::read":         RustRead,
	"Reader::into_first_chunk":                RustChunk,
	"<Reader as std::io::BufRead>::consume":   RustConsume,
	"CommonState::send_some_plaintext":        RustWrite,  // up to 0.22
	"CommonState::buffer_plaintext":           RustSlices, // from 0.23 on
	"CommonState::start_outgoing_traffic":     RustBegin,
	"drop_in_place<CommonState>":              RustFreeState,
	"drop_in_place<ConnectionCommon<Client>>": RustFree,
	"drop_in_place<ConnectionCommon<Server>>": RustFree,
	"drop_in_place<ClientConnection>":         RustFree, // which is nothing but a ConnectionCommon
	"drop_in_place<ServerConnection>":         RustFree,
}

// rustPaths shortens the names of rustls.
var rustPaths = strings.NewReplacer("core::ptr::", "", "::<", "<",
	"rustls::common_state::", "", "rustls::conn::connection::", "", "rustls::conn::", "",
	"rustls::client::client_conn::connection::", "", "rustls::client::client_conn::", "",
	"rustls::server::server_conn::connection::", "", "rustls::server::server_conn::", "",
	"ClientConnectionData", "Client", "ServerConnectionData", "Server")

// rust returns where to probe rustls, and what to tell of it, or nil where im
// has no symbols of its functions.
func (im *image) rust() (*Stack, []Site) {
	symbols, err := symtab.Read(im.file, elf.SHT_SYMTAB)
	if err != nil {
		return nil, nil
	}
	places := map[Call][]uint64{}
	var sites []Site
	any := false
	for s := range symbols {
		// The old way of mangling and the new one (RFC 2603) both keep the name.
		if !bytes.Contains(s.Name, []byte("rustls")) || elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			continue
		}
		mangled := string(s.Name)
		if !strings.Contains(mangled, "6rustls") && !strings.Contains(mangled, "rustls..") {
			continue
		}
		any = true
		name := rustPaths.Replace(demangle.Filter(mangled))
		if self, method, ok := strings.Cut(name, ">::"); ok && !strings.Contains(self, " as ") { // <Type>::method of the new way
			name = strings.TrimPrefix(self, "<") + "::" + method
		}
		c, ok := rustCalls[name]
		if !ok || slices.Contains(places[c], s.Value) {
			continue
		}
		places[c] = append(places[c], s.Value)
		sites = im.add(sites, function{name, c}, s.Value, "a symbol")
	}
	if !any {
		return nil, nil
	}
	stack := &Stack{Name: string(locate.Rustls), Refused: im.rustRefusal(places)}
	if stack.Refused != "" {
		return stack, nil
	}
	*stack = stack.with(sites)
	return stack, sites
}

// rustRefusal says why what is at places is not enough to record rustls.
func (im *image) rustRefusal(places map[Call][]uint64) string {
	reads, shows, consumes := len(places[RustRead]), len(places[RustChunk]), len(places[RustConsume])
	writes := len(places[RustWrite]) + len(places[RustSlices])
	switch {
	case im.file.Machine != elf.EM_X86_64:
		return "how its functions return results is known for x86-64 only"
	case reads+writes+shows == 0:
		return "its functions have no symbols, or it is older than 0.20"
	case reads > 1 || shows > 1 || writes > 1:
		return "it is there in several versions, which cannot be told apart"
	case writes == 0 || reads == 0 && shows == 0 || shows != consumes:
		return "the compiler has put functions of it into others"
	case len(places[RustFree])+len(places[RustFreeState]) == 0:
		return "where connections end cannot be hooked"
	}
	return ""
}
