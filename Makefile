# `make serve` and `make test` are the two to know. They need `swift` in PATH; what else is missing, they install.

PREFIX     = /usr/local
DESTDIR    =
bindir     = $(PREFIX)/bin
libdir     = $(PREFIX)/lib
includedir = $(PREFIX)/include
datadir    = $(PREFIX)/share
INSTALL    = install
LDCONFIG   = ldconfig

SERVE   = --listen 127.0.0.1:8080# arguments for `make serve`
MUTANTS =# words of names, for `make mutants`
TEST    =# arguments for `make test`, such as --filter Agreement
TORTURE = --rounds 100# arguments for `make torture`
IMAGE   = sharedmem
VERSION = $(shell sed -n 's/.* version: "\(.*\)".*/\1/p' Sources/sharedmem/SharedMem.swift)
ABI     = 0# in libSharedMem.so's name; grows when the header changes so that old programs would break

# Release builds carry the Swift runtime inside: they run where no Swift is installed. SwiftPM's own flag for it,
# `--static-swift-stdlib`, does that for a program but not for a library; the compiler's does it for both. And the
# toolchain's own linker, because gold warns of a `mktemp` in Foundation that nobody calls.
RELEASE = swift build -c release -Xswiftc -static-stdlib -Xswiftc -use-ld=lld
LINKED  = -Xlinker --version-script=$(CURDIR)/Packaging/libSharedMem.map -Xlinker -soname=libSharedMem.so.$(ABI)

COMMAND     = .build/release/sharedmem
LIBRARY     = .build/release/libSharedMem.so
HEADER      = Sources/CSharedMem/include/sharedmem.h
COMPLETIONS = $(addprefix .build/release/sharedmem.,bash zsh fish)
SOURCES    := Package.swift $(shell find Sources -type f)
FORMATTED   = Package.swift $(wildcard Sources Tests Examples Benchmarks)

.DEFAULT_GOAL := build
.PHONY: help serve test torture sanitize model contract slow-http soak bench bench-quick bench-check build lint format examples install uninstall image clean fuzz endurance mutants
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make serve      serve the text on http://127.0.0.1:8080/shared (SERVE='--listen …' for elsewhere)"
	@echo "make test       build and test everything (TEST='--filter …' for less)"
	@echo "make torture    kill processes at every step, through every door: 13,500 in 3 minutes (TORTURE='--rounds 1000')"
	@echo "make sanitize   the tests under AddressSanitizer and ThreadSanitizer (20 minutes)"
	@echo "make fuzz       100,000 random and broken heads, and every byte of one; SHAREDMEM_FUZZ_SEED=… for the same again"
	@echo "make endurance  the long form of what is tested with pins held, writers stopped, and many coming and going"
	@echo "make mutants    break the core at one place at a time, and see that a test fails (MUTANTS='WORD …' for some)"
	@echo "make model      explore the protocols' models, and see that every fault put into them is found"
	@echo "make contract   hold the answers to made-up requests against openapi.yaml (CASES=700 for each operation)"
	@echo "make slow-http  what an honest client waits for beside a thousand slow ones"
	@echo "make soak       a million GETs and a hundred thousand versions: is the server as large as before?"
	@echo "make bench      measure beside LMDB, boost, nginx, Redis, etcd and others, and write docs/benchmarks.md (40 minutes)"
	@echo "make bench-quick  the same in 3 minutes, printed; BENCH=--publish to write it"
	@echo "make bench-check  is what thresholds.json keeps still there? Ratios and instructions, no times"
	@echo "make            the release build: $(COMMAND), $(LIBRARY)"
	@echo "make examples   build and run Examples/ against the release build"
	@echo "make lint       check the formatting;  make format  repairs it"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR): command, library, header, pkg-config file, completions"
	@echo "make uninstall  take them away again"
	@echo "make image      the container image $(IMAGE), with docker, podman or buildah"
	@echo "make clean      remove what was built"

serve: $(COMMAND)
	exec $(COMMAND) serve $(SERVE)

# The virtual environment of Scripts/bootstrap, if there is one, comes first in PATH. One test after the other: many start
# processes, which side by side take no less time, but keep one another waiting past every bound on a busy machine.
test:
	@Scripts/bootstrap test
	PATH="$(CURDIR)/.build-venv/bin:$$PATH" swift test --no-parallel $(TEST)

# Of optimized code, as that is what users run, but with the pause points of debug builds.
torture:
	@Scripts/bootstrap test
	swift build -c release --scratch-path .build-torture -Xswiftc -DPAUSE_POINTS -Xswiftc -enable-testing
	$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -pthread -I $(dir $(HEADER)) Tests/Torture/worker.c -o .build-torture/worker-c \
	    -L .build-torture/release -lSharedMem -Wl,-rpath,'$$ORIGIN/release'
	.build-torture/release/torture --worker-c .build-torture/worker-c $(TORTURE)

# The tests under AddressSanitizer, with the C programs, and those of the core and the service under ThreadSanitizer. Not in
# CI: two more builds, and then the tests take a quarter of an hour. Left out is what cannot be: sanitizers do not start
# without /proc, nor in little address space, Python and C programs do not load their runtime, theirs wakes up while a
# server sleeps, opens descriptors of its own and starts a thread of its own, a forked child forgets what its parent has attached (a leak, to them),
# after an unloading not all pages are as before, and a thousand forks copy AddressSanitizer's shadow for minutes.
SANITIZE = swift test --no-parallel --skip ExamplesTests --skip EveryDoorTests --skip /noProc --skip /noAddressSpace --skip ProcessTests/idle $(TEST)
sanitize: export PATH := $(CURDIR)/.build-venv/bin:$(PATH)
sanitize:
	@Scripts/bootstrap test
	LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/leak-sanitizer.suppressions CC=clang CFLAGS=-fsanitize=address \
	    $(SANITIZE) --sanitize=address --scratch-path .build-address -Xswiftc -use-ld=lld \
	    --skip CDoorTests/forks --skip CDoorTests/loading --skip LifetimeTests/forkBeside
	TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/thread-sanitizer.suppressions \
	    setarch -R $(SANITIZE) --sanitize=thread --scratch-path .build-thread \
	    --skip SharedMemCTests --skip CommandLineTests --skip CrowdTests/resets \
	    --skip WaitingTests/signalsElsewhere --skip WaitingKilledTests/drop --skip WaitingKilledTests/comeAndGo

fuzz: export SHAREDMEM_FUZZ_ROUNDS = 100000
fuzz: TEST = --filter DamagedFileTests
fuzz: test

endurance: export SHAREDMEM_LONG = 1
endurance: TEST = --filter 'PinsAndWritersTests|EveryDoorTests'
endurance: test

mutants:
	@Scripts/bootstrap test
	Tests/mutants $(MUTANTS)

# The larger configurations, by hand: Models/run --large
model:
	@Scripts/bootstrap model
	Models/run
	Models/mutants

CASES = 40# for each operation, in `make contract`
contract: $(COMMAND)
	@Scripts/bootstrap contract
	Scripts/contract $(CASES)

slow-http: $(COMMAND)
	@Scripts/bootstrap slow-http
	Scripts/slow-http

soak: $(COMMAND)
	@Scripts/bootstrap soak
	Scripts/soak

# On a quiet machine. BENCH='--only read write --rounds 3' for some of it; Benchmarks/bench --help has the rest.
BENCH =# arguments for the benchmarks
bench-quick: BENCH_KIND = --quick
bench-check: BENCH_KIND = --check
bench bench-quick bench-check: $(COMMAND) $(LIBRARY)
	@Scripts/bootstrap bench
	@$(MAKE) --no-print-directory -C Benchmarks
	Benchmarks/bench $(BENCH_KIND) $(BENCH)

build: $(COMMAND) $(LIBRARY)

$(COMMAND): $(SOURCES)
	@Scripts/bootstrap run
	$(RELEASE) --product sharedmem
	@touch $@

$(LIBRARY): $(SOURCES) Packaging/libSharedMem.map
	@Scripts/bootstrap run
	$(RELEASE) --product SharedMem $(LINKED)
	@touch $@

$(COMPLETIONS): .build/release/sharedmem.%: $(COMMAND)
	@$(COMMAND) --generate-completion-script $* > $@

lint:
	swift format lint --strict --recursive --parallel $(FORMATTED)

format:
	swift format --in-place --recursive --parallel $(FORMATTED)

examples: PREFIX = $(CURDIR)/.build-examples/prefix
examples: DESTDIR =
examples: LDCONFIG = :
examples: install
	Scripts/examples $(PREFIX)

install: $(COMMAND) $(LIBRARY) $(COMPLETIONS)
	$(INSTALL) -D -m 755 $(COMMAND) $(DESTDIR)$(bindir)/sharedmem
	$(INSTALL) -D -m 755 $(LIBRARY) $(DESTDIR)$(libdir)/libSharedMem.so.$(ABI)
	ln -sf libSharedMem.so.$(ABI) $(DESTDIR)$(libdir)/libSharedMem.so
	$(INSTALL) -D -m 644 $(HEADER) $(DESTDIR)$(includedir)/sharedmem.h
	$(INSTALL) -d $(DESTDIR)$(libdir)/pkgconfig
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(libdir)|' -e 's|@INCLUDEDIR@|$(includedir)|' \
	    -e 's|@VERSION@|$(VERSION)|' Packaging/sharedmem.pc.in > $(DESTDIR)$(libdir)/pkgconfig/sharedmem.pc
	$(INSTALL) -D -m 644 .build/release/sharedmem.bash $(DESTDIR)$(datadir)/bash-completion/completions/sharedmem
	$(INSTALL) -D -m 644 .build/release/sharedmem.zsh $(DESTDIR)$(datadir)/zsh/site-functions/_sharedmem
	$(INSTALL) -D -m 644 .build/release/sharedmem.fish $(DESTDIR)$(datadir)/fish/vendor_completions.d/sharedmem.fish
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || $(LDCONFIG)

uninstall:
	$(RM) $(addprefix $(DESTDIR), $(bindir)/sharedmem $(libdir)/libSharedMem.so $(libdir)/libSharedMem.so.$(ABI) \
	    $(includedir)/sharedmem.h $(libdir)/pkgconfig/sharedmem.pc $(datadir)/bash-completion/completions/sharedmem \
	    $(datadir)/zsh/site-functions/_sharedmem $(datadir)/fish/vendor_completions.d/sharedmem.fish)

# Docker's image format, also where OCI's is the default: only that one has a place for HEALTHCHECK.
IMAGE_BUILDER = $(shell docker info >/dev/null 2>&1 && echo docker || command -v podman || echo buildah)
IMAGE_FLAGS   = $(if $(filter %docker,$(IMAGE_BUILDER)),,--format docker)
image:
	@Scripts/bootstrap image
	$(IMAGE_BUILDER) build $(IMAGE_FLAGS) --build-arg VERSION=$(VERSION) -t $(IMAGE) .

clean:
	$(RM) -r .build .build-examples .build-torture .build-address .build-thread Benchmarks/.build
