# make demo    build, record a local session, replay it
# make test    all tests; installs what they need from Debian's packages when run as root
# make lint    gofmt, vet, staticcheck, deadcode
# make generate  compile the BPF programs again (needs clang and libbpf-dev)

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE    = golang.org/x/tools/cmd/deadcode@v0.52.0

# A command that the tests run, and the Debian package that it comes in.
TOOLS = curl:curl openssl:openssl tshark:tshark capinfos:wireshark-common editcap:wireshark-common tcpdump:tcpdump \
        tcpflow:tcpflow tcptrace:tcptrace python3:python3 node:nodejs npm:npm jq:jq wget:wget git:git nginx:nginx-light \
        wrk:wrk setcap:libcap2-bin gcc:gcc musl-gcc:musl-tools clang:clang ld.lld:lld objdump:binutils /usr/lib/chromium/chromium:chromium \
        /usr/include/openssl/ssl.h:libssl-dev /usr/include/mbedtls/ssl.h:libmbedtls-dev /usr/include/wolfssl/ssl.h:libwolfssl-dev \
        /usr/lib/$(shell uname -m)-linux-gnu/libcurl-nss.so.4:libcurl3-nss zsh:zsh fish:fish mandoc:mandoc \
        /usr/bin/rustc:rustc /usr/bin/cargo:cargo /usr/share/doc/librust-rustls-dev:librust-rustls-dev

export CGO_ENABLED = 0

.PHONY: build demo test lint generate generate-check cross tools clean

build:
	go build -trimpath -o ssltape .

demo: build
	@.ci/demo

# One package at a time, since programs that are recorded live share the
# machine, and each time anew, since what they do is not in the cache. The limit
# is for what hangs, on a slow machine too.
test: tools build
	go test -p 1 -count 1 -timeout 30m ./...

# Firefox opens what is written.
.PHONY: test-firefox
test-firefox:
	@.ci/packages firefox-esr:firefox-esr python3:python3
	go test ./har -count 1 -run TestFirefox -firefox

# The folder of what comes from npm, for the tests that need it.
export SSLTAPE_NPM ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ssltape/npm

# The folder of Debian's static builds of OpenSSL, likewise.
export SSLTAPE_LIBSSL ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ssltape/libssl

# The folder of a program with rustls that is built once, likewise.
export SSLTAPE_RUST ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ssltape/rust

# The folder of the tools that lint runs.
LINT = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ssltape/bin

lint:
	@for tool in $(STATICCHECK) $(DEADCODE); do GOBIN=$(LINT) .ci/retry go install $$tool || exit; done
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	$(LINT)/staticcheck ./...
	@dead=$$($(LINT)/deadcode -test ./...); test -z "$$dead" || { echo "deadcode: $$dead"; exit 1; }

generate:
	@.ci/packages clang:clang llvm-strip:llvm /usr/include/bpf/bpf_helpers.h:libbpf-dev
	go generate ./bpf/...

# The committed objects are what the sources give.
generate-check: generate
	git diff --exit-code -- bpf

# Where it does not record it still builds, to replay.
cross:
	GOOS=darwin GOARCH=arm64 go build -o /dev/null .
	GOOS=windows GOARCH=amd64 go build -o /dev/null .
	GOOS=linux GOARCH=arm64 go build -o /dev/null .
	GOOS=linux GOARCH=386 go build -o /dev/null .

tools:
	@.ci/retry go mod download
	@.ci/packages $(TOOLS)
	@.ci/npm $(SSLTAPE_NPM)
	@.ci/libssl $(SSLTAPE_LIBSSL)
	@.ci/rust $(SSLTAPE_RUST)

clean:
	rm -f ssltape demo.har demo.pcapng

# The live tests in Debian's kernels 5.10, 6.1 and 6.12, and 6.1 on arm64, under qemu.
.PHONY: test-kernels
test-kernels:
	.ci/kernels $(KERNELS)

# Reading, writing, redaction and parsing on one core, beside what is asked of each.
.PHONY: bench
bench:
	.ci/bench $(BENCH)

# What recording costs: against bare runs, and against empty probes. Takes minutes.
.PHONY: bench-overhead
bench-overhead:
	go test -run '^$$' -bench Overhead -benchtime 3x ./bpf ./record/session

# Listing, filtering and converting a large recording against tshark and jq,
# such as SIZE=1G, at which tshark takes minutes.
.PHONY: bench-replay
bench-replay: SIZE ?= 100M
bench-replay:
	@.ci/packages tshark:tshark jq:jq
	SSLTAPE_BENCH_SIZE=$(SIZE) go test -run '^$$' -bench Replay -benchtime 1x -timeout 30m ./replay
