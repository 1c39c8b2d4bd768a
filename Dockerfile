# The sharedmem service in a container: built with the Swift toolchain, run without it.
#
#   docker build -t sharedmem .
#   docker run --read-only --shm-size 256m --ipc shareable -p 127.0.0.1:8080:8080 --name text sharedmem
#   curl -T README.md http://127.0.0.1:8080/shared
#
# To read the same text in place from other containers, they must see the same tmpfs, as the same user:
#
#   --ipc            /dev/shm, where segments live by default, belongs to the IPC namespace. Start the service with
#                    `--ipc shareable` and the readers with `--ipc container:text`, or all with `--ipc host`
#                    to share with the host's own processes too.
#   a volume         or mount one tmpfs volume at the same place in each and name it in SHAREDMEM_DIRECTORY;
#                    no namespace is shared then. compose.yaml does so; so does a Kubernetes emptyDir with medium: Memory.
#   --shm-size       Docker's /dev/shm holds 64 MiB. A segment takes what its texts use: a few times the longest as a
#                    rule. When the tmpfs is full, a write is answered with 507; nothing crashes.
#   --user           A segment is trusted only if the user who runs the reader, or root, owns it. Run the readers as
#                    65532 too, or choose another user for all of them: nothing in the image depends on this one.
#
# Anyone who can reach the port can change the text: --allow-anonymous says so. Publish the port to loopback, as above,
# or give a token instead: `… sharedmem serve --listen 0.0.0.0:8080 --token-file /run/secrets/token`.

ARG SWIFT_IMAGE=docker.io/library/swift:6.3-bookworm
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${SWIFT_IMAGE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libmicrohttpd-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# The dependencies first: this layer stays while only the sources change.
COPY Package.swift ./
RUN swift package resolve
COPY . ./
RUN swift build -c release --static-swift-stdlib -Xswiftc -use-ld=lld --product sharedmem \
    && strip -o /sharedmem .build/release/sharedmem

FROM ${RUNTIME_IMAGE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends libmicrohttpd12 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /sharedmem /usr/bin/sharedmem

ARG VERSION=unversioned
LABEL org.opencontainers.image.title="sharedmem" \
      org.opencontainers.image.description="One text in shared memory, read in place by every process on the host, and over HTTP" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["sharedmem", "healthcheck"]
ENTRYPOINT ["/usr/bin/sharedmem"]
CMD ["serve", "--listen", "0.0.0.0:8080", "--allow-anonymous"]
