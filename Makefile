# The two commands to know are `make serve` and `make test`. They need `swift` in PATH and install the rest.

PREFIX     = /usr/local
DESTDIR    =
bindir     = $(PREFIX)/bin
libdir     = $(PREFIX)/lib
includedir = $(PREFIX)/include
datadir    = $(PREFIX)/share
mandir     = $(datadir)/man
cmakedir   = $(libdir)/cmake/SharedMem
INSTALL    = install
LDCONFIG   = ldconfig

SERVE = --listen 127.0.0.1:8080# arguments of `make serve`
TEST  =# arguments of `make test`, such as --filter SegmentTests
ARGS  =# arguments of the scripts, such as --rounds 1000 for `make torture`
IMAGE = sharedmem

# Everything that is built lies below .build. `swift build` and `swift test` use .build itself; the release build that
# is installed has a folder of its own, so that theirs is never taken for it.
OUT = .build/make

# Release builds contain the Swift runtime and run where no Swift is installed. SwiftPM's flag for that,
# `--static-swift-stdlib`, does not work for libraries; the compiler's works for programs and libraries. The linker is
# the toolchain's own, because gold warns about a `mktemp` in Foundation that is never called.
RELEASE = swift build -c release --scratch-path $(OUT) -Xswiftc -static-stdlib -Xswiftc -use-ld=lld
EXPORTS = Packaging/libSharedMem.map
# Where the linker looks for libstdc++ first, and finds the static library: the command needs 0.1 MB of its 2.2.
STATIC = $(OUT)/static

COMMAND     = $(OUT)/release/sharedmem
LIBRARY     = $(OUT)/release/libSharedMem.so
HEADER      = Sources/CSharedMem/include/sharedmem.h
MANUAL      = $(OUT)/man
FFI_HEADER  = Sources/CSharedMem/sharedmem-ffi.h
VERSION     = $(shell sed -n 's/.* version = "\(.*\)"/\1/p' Sources/SharedMemory/Release.swift)
SONAME      = $(shell sed -n 's/.*-soname=\(.*\)".*/\1/p' Package.swift)
# Folders too: they change when a file is removed.
SOURCES    := Makefile Package.swift $(wildcard Package.resolved) $(shell find -L Sources)
FORMATTED   = Package.swift $(wildcard Sources Tests Examples Benchmarks)

.DEFAULT_GOAL := build
.PHONY: help serve test build lint format examples install uninstall image wheel deb release-check clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help:
	@echo "make serve      serve the text at http://127.0.0.1:8080/shared (SERVE='--listen …' for another address)"
	@echo "make test       build and run all tests (TEST='--filter …' for some)"
	@echo "make            build the release: $(COMMAND) and $(LIBRARY)"
	@echo "make lint       check formatting and code rules; 'make format' repairs the formatting"
	@echo "make examples   build Examples/ against the release and run them"
	@echo "make install    install what make has built: command, library, headers, manual pages and so on (PREFIX, DESTDIR)"
	@echo "make uninstall  remove what 'make install' installed"
	@echo "make image      build the container image '$(IMAGE)' with docker, podman or buildah"
	@echo "make wheel      build the Python package, with the library inside: .build/wheel/*.whl"
	@echo "make deb        build the Debian packages: .build/deb/*.deb"
	@echo "make release-check   build all of these, and say whether a release would be consistent"
	@echo "make clean      remove everything that was built"
	@echo
	@echo "Each of these runs the script of that name in Scripts/, with ARGS='…' as its arguments:"
	@for script in $(SCRIPTS); do printf '%-24s ' "make $$script"; sed -n '2s/^# //p' Scripts/$$script; done
	@echo "make bench-quick, make bench-check run 'bench --quick' and 'bench --check'"

serve: $(COMMAND)
	exec $(COMMAND) serve $(SERVE)

test:
	@Scripts/test $(TEST)

build: $(COMMAND) $(LIBRARY) $(MANUAL)

$(COMMAND): $(SOURCES)
	@Scripts/bootstrap run
	@mkdir -p $(STATIC) && ln -sf "$$(clang -print-file-name=libstdc++.a)" $(STATIC)/
	$(RELEASE) --product sharedmem -Xlinker -L$(CURDIR)/$(STATIC)
	@touch $@

# Bound when it is loaded: the dynamic linker would take 2.6 KiB of the stack of whichever thread calls a function first.
$(LIBRARY): $(SOURCES) $(EXPORTS)
	@Scripts/bootstrap run
	$(RELEASE) --product SharedMem -Xlinker --version-script=$(CURDIR)/$(EXPORTS) -Xlinker -z -Xlinker now
	@touch $@

$(MANUAL): $(COMMAND) $(HEADER) Scripts/man $(wildcard Packaging/man/*)
	@Scripts/bootstrap run
	@rm -rf $@
	Scripts/man $(COMMAND) $@

lint:
	swift format lint --strict --recursive --parallel $(FORMATTED)
	Scripts/check-unsafe
	Scripts/check-prose

format:
	swift format --in-place --recursive --parallel $(FORMATTED)

examples: PREFIX = $(CURDIR)/.build/examples/prefix
examples: DESTDIR =
examples: LDCONFIG = :
examples: build install
	Scripts/examples $(PREFIX)

CONFIGURE = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(libdir)|' -e 's|@INCLUDEDIR@|$(includedir)|' \
    -e 's|@VERSION@|$(VERSION)|' -e 's|@SONAME@|$(SONAME)|'

# It builds nothing and writes nothing here: root would own it, and the next build would fail.
install:
	@for file in $(COMMAND) $(LIBRARY) $(MANUAL); do \
	    [ -e $$file ] || { echo "install: $$file is missing: run 'make' first" >&2; exit 1; }; \
	done
	$(INSTALL) -D -m 755 $(COMMAND) $(DESTDIR)$(bindir)/sharedmem
	$(INSTALL) -D -m 755 $(LIBRARY) $(DESTDIR)$(libdir)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(libdir)/libSharedMem.so
	$(INSTALL) -D -m 644 $(HEADER) $(DESTDIR)$(includedir)/sharedmem.h
	$(INSTALL) -D -m 644 $(FFI_HEADER) $(DESTDIR)$(includedir)/sharedmem-ffi.h
	@$(INSTALL) -d $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(cmakedir)
	$(CONFIGURE) Packaging/sharedmem.pc.in > $(DESTDIR)$(libdir)/pkgconfig/sharedmem.pc
	$(CONFIGURE) Packaging/cmake/SharedMemConfig.cmake.in > $(DESTDIR)$(cmakedir)/SharedMemConfig.cmake
	$(CONFIGURE) Packaging/cmake/SharedMemConfigVersion.cmake.in > $(DESTDIR)$(cmakedir)/SharedMemConfigVersion.cmake
	$(INSTALL) -d $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man3
	$(INSTALL) -m 644 $(MANUAL)/man1/* $(DESTDIR)$(mandir)/man1
	$(INSTALL) -m 644 $(MANUAL)/man3/* $(DESTDIR)$(mandir)/man3
	$(COMMAND) --generate-completion-script bash | $(INSTALL) -D -m 644 /dev/stdin \
	    $(DESTDIR)$(datadir)/bash-completion/completions/sharedmem
	$(COMMAND) --generate-completion-script zsh | $(INSTALL) -D -m 644 /dev/stdin \
	    $(DESTDIR)$(datadir)/zsh/site-functions/_sharedmem
	$(COMMAND) --generate-completion-script fish | $(INSTALL) -D -m 644 /dev/stdin \
	    $(DESTDIR)$(datadir)/fish/vendor_completions.d/sharedmem.fish
	@$(INSTALL) -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@BINDIR@|$(bindir)|' Packaging/systemd/sharedmem.service.in | \
	    $(INSTALL) -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/sharedmem.service
	$(INSTALL) -m 644 Packaging/systemd/sharedmem.socket $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(INSTALL) -D -m 644 Packaging/systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/sharedmem.conf
	$(INSTALL) -D -m 644 Packaging/systemd/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/sharedmem.conf
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || $(LDCONFIG)

uninstall:
	$(RM) $(addprefix $(DESTDIR), $(bindir)/sharedmem $(libdir)/libSharedMem.so $(libdir)/$(SONAME) \
	    $(includedir)/sharedmem.h $(includedir)/sharedmem-ffi.h $(libdir)/pkgconfig/sharedmem.pc \
	    $(cmakedir)/SharedMemConfig.cmake $(cmakedir)/SharedMemConfigVersion.cmake \
	    $(mandir)/man1/sharedmem.1 $(mandir)/man1/sharedmem-*.1 $(mandir)/man3/libsharedmem.3 \
	    $(datadir)/bash-completion/completions/sharedmem $(datadir)/zsh/site-functions/_sharedmem \
	    $(datadir)/fish/vendor_completions.d/sharedmem.fish $(PREFIX)/lib/systemd/system/sharedmem.service \
	    $(PREFIX)/lib/systemd/system/sharedmem.socket $(PREFIX)/lib/sysusers.d/sharedmem.conf \
	    $(PREFIX)/lib/tmpfiles.d/sharedmem.conf)
	[ ! -d $(DESTDIR)$(cmakedir) ] || rmdir $(DESTDIR)$(cmakedir)

# The image has Docker's format even where OCI's is the default, because only Docker's has a HEALTHCHECK.
IMAGE_BUILDER = $(shell docker info >/dev/null 2>&1 && echo docker || command -v podman || echo buildah)
# Every file bears the time of the last commit, so that two builds give the same bytes.
IMAGE_TIME    = $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
IMAGE_FLAGS   = $(if $(filter %docker,$(IMAGE_BUILDER)),,--format docker --timestamp $(IMAGE_TIME))
image:
	@Scripts/bootstrap image
	$(IMAGE_BUILDER) build $(IMAGE_FLAGS) --build-arg SOURCE_DATE_EPOCH=$(IMAGE_TIME) --build-arg VERSION=$(VERSION) \
	    -t $(IMAGE) $(ARGS) .

wheel: $(LIBRARY)
	@Scripts/bootstrap wheel
	@rm -rf .build/wheel
	@python3 Python/backend.py .build/wheel

deb: build
	@Scripts/bootstrap deb
	@Scripts/build-deb

release-check: wheel deb
	@Scripts/release-check

clean:
	$(RM) -r .build Benchmarks/.build Examples/Swift/.build

# Less frequent work is done by scripts, which can also be run by themselves.
SCRIPTS = torture keep sanitize mutants fuzz endurance crowd proxies clients browser monitoring model contract \
    slow-http soak shutdown bench bench-tls check-builds check-without-http check-examples check-wheel check-consumer \
    check-deb docs containers kubernetes page fleet etcd
.PHONY: $(SCRIPTS) bench-quick bench-check
$(SCRIPTS):
	Scripts/$@ $(ARGS)

bench-quick bench-check: bench-%:
	Scripts/bench --$* $(ARGS)
