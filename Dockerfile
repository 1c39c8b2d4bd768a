# The sharedmem service in a container: built with the Swift toolchain, run without it.
#
#   docker build -t sharedmem .
#   docker run --read-only --shm-size 256m --ipc shareable -p 127.0.0.1:8080:8080 --name text sharedmem
#   curl -T README.md http://127.0.0.1:8080/shared
#
# Other containers can read the same text in place if they see the same tmpfs and run as the same user:
#
#   --ipc            /dev/shm, where segments live by default, belongs to the IPC namespace. Start the service with
#                    `--ipc shareable` and the readers with `--ipc container:text`. With `--ipc host` for all of them,
#                    they also share segments with processes of the host.
#   a volume         Alternatively, mount one tmpfs volume at the same path in each container and set
#                    SHAREDMEM_DIRECTORY to that path. No namespace is shared then. compose.yaml does this; in Kubernetes,
#                    use an emptyDir with `medium: Memory`.
#   --shm-size       Docker's /dev/shm holds 64 MiB. A segment usually takes a few times the size of its longest text.
#                    When the tmpfs is full, a write is answered with 507; nothing crashes.
#   --user           A reader trusts a segment only if it is owned by the reader's own user or by root. Run the readers as
#                    65532 too, or choose another user for all of them: nothing in the image depends on this one.
#
# With --allow-anonymous, any client that can reach the port can change the text. Publish the port on loopback only, as
# above, or require a token instead: `… sharedmem serve --listen 0.0.0.0:8080 --token-file /run/secrets/token`.

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
COPY . ./
RUN swift build -c release --static-swift-stdlib -Xswiftc -use-ld=lld --product sharedmem \
    && strip -o /sharedmem .build/release/sharedmem

FROM ${RUNTIME_IMAGE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libmicrohttpd12 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /sharedmem /usr/bin/sharedmem

ARG VERSION=unversioned
LABEL org.opencontainers.image.title="sharedmem" \
      org.opencontainers.image.description="Text in shared memory, read in place by every process on the host, and served over HTTP" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, not a name: Kubernetes' runAsNonRoot can then tell that it is not root.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["sharedmem", "healthcheck"]
ENTRYPOINT ["/usr/bin/sharedmem"]
CMD ["serve", "--listen", "0.0.0.0:8080", "--allow-anonymous"]
