# The sharedmem service in a container: the command, the libraries that it needs, CA certificates, and nothing else
#
#   docker build -t sharedmem .
#   docker run --read-only -p 127.0.0.1:8080:8080 sharedmem
#   curl -T README.md http://127.0.0.1:8080/shared
#
# docs/containers.md says how other containers read the same text in place, and what --read-only, --shm-size, --ipc and
# --user do. With --allow-anonymous, any client that can reach the port can change the text. Publish the port on loopback
# only, as above, or require a token.
#
# Packaging/image/collect chooses the files, and Packaging/image/sbom lists them in /usr/share/sbom/sharedmem.cdx.json.
# With the same base images, packages and command, two builds give the same bytes. The Swift compiler does not always make
# the same command of the same source: two differed in twelve bytes of one function.

ARG SWIFT_IMAGE=docker.io/library/swift:6.3-bookworm
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${SWIFT_IMAGE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgnutls28-dev libmicrohttpd-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# Dependencies come first: this layer stays cached as long as only the sources change.
COPY Package.swift ./
RUN swift package resolve
COPY openapi.yaml ./
COPY Sources Sources
# Package.swift lists the tests, so SwiftPM looks for them.
COPY Tests Tests
# Packed relocations save a megabyte. Only this linker marks them so that glibc accepts them; its warning about `mktemp`
# concerns a function of Foundation that is never called. The compiler's hash of a module and the linker's of it all are left
# out, because they differ from build to build. The command needs a twentieth of libstdc++, so it gets that part from the
# static library: the linker looks into /static first, where there is no other.
RUN mkdir /static && ln -s /usr/lib/gcc/*/*/libstdc++.a /static \
    && swift build -c release --static-swift-stdlib --product sharedmem \
        -Xswiftc -use-ld=bfd -Xlinker -z -Xlinker pack-relative-relocs -Xlinker -L/static \
    && mkdir /out \
    && strip --remove-section=.swift_modhash --remove-section=.note.gnu.build-id \
        -o /out/sharedmem .build/release/sharedmem \
    && cp Package.resolved /out \
    && swift --version > /out/swift-version

FROM ${RUNTIME_IMAGE} AS root
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libmicrohttpd12 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out /out
COPY LICENSE /out/
COPY Packaging/image /build
ARG SOURCE_DATE_EPOCH=0
RUN /build/collect /out /root-of-image && /build/sbom /out /root-of-image

FROM scratch
COPY --from=root /root-of-image /
ARG VERSION=unversioned
LABEL org.opencontainers.image.title="sharedmem" \
      org.opencontainers.image.description="Text in shared memory, read in place by every process on the host, and served over HTTP" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, not a name: Kubernetes' runAsNonRoot can then tell that it is not root.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["/usr/bin/sharedmem", "healthcheck"]
ENTRYPOINT ["/usr/bin/sharedmem"]
CMD ["serve", "--listen", "0.0.0.0:8080", "--allow-anonymous"]
