"""The measurements as data: the peers, the figures with their rows, and the operations counted in instructions."""
from dataclasses import dataclass

from .samples import (MANY, PROGRAMS, SWIFT, Backing, Crowd, FirstAnswer, ForEachStream, Load, Local, Request, Resident,
                      Rest, Server, Wake)

KiB, MiB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Peer:
    title: str
    version: str  # a shell command that prints it
    configuration: str
    promise: str  # its guarantees and limits: where it is weaker than ours, or why it is no rival
    needs: tuple = ()  # a command or a header, and the Debian packages that contain it


def debian(package):
    return f"dpkg-query -Wf '${{Version}}' {package}"


PEERS = {
    "ours": Peer("sharedmem", "git describe --always --dirty", "release build; one HTTP thread, the default",
                 "text is whole, and does not change while it is borrowed; a killed process leaves nothing behind"),
    "reader": Peer("sharedmem's Reader", "git describe --always --dirty", "release build; one in each process",
                   "as sharedmem; the text that was read last keeps its memory"),
    "lmdb": Peer("LMDB", debian("liblmdb-dev"),
                 "NOSYNC, WRITEMAP, NOTLS, NOMEMINIT, on a tmpfs; one reader, renewed and reset; one key",
                 "one writer at a time; a killed reader's pages stay until another process checks for it",
                 ("/usr/include/lmdb.h", "liblmdb-dev")),
    "boost": Peer("boost.interprocess", debian("libboost-dev"),
                  "interprocess_sharable_mutex and text in managed memory on a tmpfs; -O2",
                  "a killed lock holder blocks all others forever",
                  ("/usr/include/boost/interprocess/managed_mapped_file.hpp", "libboost-dev")),
    "rwlock": Peer("pthread_rwlock", debian("libc6"), "PTHREAD_PROCESS_SHARED; text in the same shared memory; -O2",
                   "a killed lock holder blocks all others forever"),
    "mutex": Peer("robust mutex", debian("libc6"),
                  "PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST; text in the same shared memory; -O2",
                  "readers wait for one another; a killed writer leaves incomplete text, which the next holder must notice"),
    "seqlock": Peer("bare seqlock", debian("libc6"), "a sequence number around the text; -O2",
                    "lower bound: only copies; a killed writer blocks all others forever"),
    "memcpy": Peer("memcpy", debian("libc6"), "glibc's; the writer rotates through three places; -O2",
                   "reference: readers can see torn text, and do not learn where new text is"),
    "exchange": Peer("one exchange", debian("libc6"), "of a word on a cache line of its own; -O2",
                     "part of a borrow; shares nothing"),
    "string": Peer("a String", "swift --version 2>/dev/null | grep -o 'Swift version [0-9.]*' | head -1",
                   "of 64 bytes in the process's own memory", "part of a copy; shares nothing"),
    "bare": Peer("bare C on libmicrohttpd", debian("libmicrohttpd-dev"),
                 "one epoll thread, 16 KiB for each connection, as ours; GET, If-None-Match and PUT of its own memory; -O2",
                 "lower bound: checks nothing, and no other process sees the text",
                 ("/usr/include/microhttpd.h", "libmicrohttpd-dev")),
    "nginx": Peer("nginx (a constant)", debian("nginx"), "one worker, `return 200`, no log", "cannot be set",
                  ("nginx", "nginx")),
    "lua": Peer("nginx's lua_shared_dict", debian("libnginx-mod-http-lua"),
                "one worker, content_by_lua_block, LuaJIT, no log", "visible only to the workers of one nginx",
                ("/usr/lib/nginx/modules/ngx_http_lua_module.so", "libnginx-mod-http-lua")),
    "redis": Peer("Redis", debian("redis-server"),
                  "no snapshots, no append-only file; over TCP, with redis-benchmark, without pipelining",
                  "local programs need the network as well; pub/sub loses messages while a subscriber is away",
                  ("redis-benchmark", "redis-server redis-tools")),
    "etcd": Peer("etcd", debian("etcd-server"),
                 "one member, data on a tmpfs, JSON gateway, serializable reads, compacted to 1,000 revisions",
                 "durable: it keeps a log, and can be replicated; the text is base64 in JSON", ("etcd", "etcd-server")),
    "futex": Peer("bare futex", "uname -r", "a word in shared memory, FUTEX_WAIT and FUTEX_WAKE",
                  "lower bound: a signal without text"),
    "inotify": Peer("file and inotify", "uname -r", "write, rename, IN_MOVED_TO, open, read, close; on a tmpfs",
                    "every reader opens and copies the file"),
}
TOOLS = [("wrk", "wrk"), ("h2load", "nghttp2-client"), ("valgrind", "valgrind")]

OURS_TOO = ("ours", "reader")
PARTS = ("exchange", "string")  # parts of our own operations, no rivals


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    peer: str  # a key of PEERS
    sample: object
    x: float | None = None  # position on the axis, in a figure drawn as lines


@dataclass(frozen=True)
class Figure:
    key: str
    title: str
    unit: str  # ns (less is better), /s (more is better), bytes (less is better)
    rows: list
    axis: str = ""  # label of the x axis, in a figure drawn as lines
    quick: bool = True  # part of bench-quick


def c(peer, operation, **more):
    return Local(PROGRAMS / ("boost" if peer == "boost" else "peers"), peer, operation, **more)


def swift(peer, operation, **more):
    return Local(SWIFT, peer, operation, **more)


def peer_rows(operation, *keys, **more):
    return [Row(key, f"{PEERS[key].title}{' + copy' if operation == 'read' and key not in ('lmdb', 'memcpy') else ''}",
                key, c(key, operation, **more)) for key in keys]


def size_title(size):
    for unit, name in ((MiB, "MiB"), (KiB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def lines(xs, **samples):
    """A row for each x of each line. A line has the name of its peer."""
    return [Row(f"{key}@{x}", PEERS[key].title, key, sample(x), x) for x in xs for key, sample in samples.items()]


OURS, LARGE = Server("ours"), Server("ours", MiB)
BARE, NGINX, REDIS, ETCD = Server("bare"), Server("nginx"), Server("redis"), Server("etcd")

READ = Figure("read", "Reading 64 bytes", "ns", [
    Row("borrow", "**borrow, in place** (Swift, `withBytes`)", "ours", swift("borrow", "read")),
    Row("text", "borrow, as validated UTF-8 (Swift, `withText`)", "ours", swift("text", "read")),
    Row("get", "copy as a String (Swift, `get`)", "ours", swift("get", "read")),
    Row("reader", "**Reader, in place** (Swift, `withBytes`)", "reader", swift("reader", "read")),
    Row("reader-text", "Reader, as validated UTF-8 (Swift, `withText`)", "reader", swift("reader-text", "read")),
    Row("reader-get", "Reader, as a String (Swift, `get`)", "reader", swift("reader-get", "read")),
    Row("c-borrow", "borrow, in place (C, `sharedmem_borrow`, `_release`)", "ours", c("borrow", "read")),
    Row("c-get", "copy (C, `sharedmem_get`)", "ours", c("get", "read")),
    Row("c-reader", "Reader, in place (C, `sharedmem_reader_read`)", "reader", c("reader", "read")),
    Row("lmdb", "LMDB read transaction, in place", "lmdb", c("lmdb", "read")),
    Row("lmdb-copy", "LMDB read transaction + copy", "lmdb", c("lmdb-copy", "read")),
    Row("lmdb-string", "LMDB read transaction + copy as a String (Swift)", "lmdb", swift("lmdb-string", "read")),
    *peer_rows("read", "boost", "mutex", "rwlock", "seqlock", "memcpy"),
    Row("exchange", "one compare-and-exchange, a load and a store", "exchange", c("exchange", "read")),
    Row("string", "making and freeing a String of 64 bytes (Swift)", "string", swift("string", "read")),
])

WRITE = Figure("write", "Setting 64 bytes", "ns", [
    Row("set", "**set** (Swift)", "ours", swift("borrow", "write")),
    Row("c-set", "set (C)", "ours", c("borrow", "write")),
    Row("lmdb", "LMDB write transaction, not synced", "lmdb", c("lmdb", "write")),
    *peer_rows("write", "boost", "mutex", "rwlock", "seqlock", "memcpy"),
])

LARGE_WRITES = [
    Figure(f"write-{size}", f"Setting {size_title(size)}", "ns", [
        Row("set", "**set** (Swift)", "ours", swift("borrow", "write", bytes=size)),
        Row("memcpy", "memcpy", "memcpy", c("memcpy", "write", bytes=size)),
        Row("lmdb", "LMDB write transaction, not synced", "lmdb", c("lmdb", "write", bytes=size)),
    ]) for size in (MiB, 16 * MiB)
]

FLAT = Figure("flat", "Borrowing text of any size", "ns", [
    Row(str(size), f"**borrow**, {size_title(size)}", "ours", swift("borrow", "read", bytes=size))
    for size in (1, 64, 4 * KiB, MiB, 256 * MiB)
])

PUBLISHING = Figure("publishing", "Reading 64 bytes while another process sets the text 10,000 times a second", "ns", [
    row for key, title, sample in (
        ("ours", "**borrow** (Swift)", lambda **more: swift("borrow", "read", **more)),
        ("reader", "**Reader** (Swift)", lambda **more: swift("reader", "read", **more)),
        *((key, PEERS[key].title, lambda key=key, **more: c(key, "read", **more))
          for key in ("lmdb", "boost", "rwlock", "mutex", "seqlock")))
    for row in (Row(f"{key}-alone", f"{title}, alone", key, sample()),
                Row(f"{key}-beside", f"{title}, beside the writer", key, sample(publish=10_000)))
])

TWO = Figure("two", "Reads of 64 bytes a second, by one process and by two on two cores", "/s", [
    row for key, title, sample in (
        ("ours", "**borrow** (Swift)", lambda count: swift("borrow", "read", workers=count, per_second=True)),
        ("reader", "**Reader** (Swift)", lambda count: swift("reader", "read", workers=count, per_second=True)),
        *((key, PEERS[key].title, lambda count, key=key: c(key, "read", workers=count, per_second=True))
          for key in ("lmdb", "boost", "rwlock", "mutex", "seqlock")))
    for row in (Row(f"{key}-1", f"{title}, one process", key, sample(1)),
                Row(f"{key}-2", f"{title}, two processes", key, sample(2)))
])

ATTACH = Figure("attach", "Attaching and detaching", "ns", [
    Row("attach", "**attach and detach** (Swift)", "ours", swift("borrow", "attach")),
    Row("c-attach", "attach and detach (C)", "ours", c("borrow", "attach")),
    Row("lmdb", "LMDB, open and close", "lmdb", c("lmdb", "attach")),
    Row("boost", "boost.interprocess, open and close", "boost", c("boost", "attach")),
])

ARRIVE = Figure("arrive", "A new process attaches, sets 64 bytes and detaches", "ns", [
    Row("arrive", "**sharedmem** (Swift)", "ours", swift("borrow", "arrive")),
    Row("c-arrive", "sharedmem (C)", "ours", c("borrow", "arrive")),
    Row("lmdb", "LMDB", "lmdb", c("lmdb", "arrive")),
    Row("boost", "boost.interprocess", "boost", c("boost", "arrive")),
])

GET = Figure("get", "GET of 64 bytes, 32 connections", "/s", [
    Row("ours", "**sharedmem serve**", "ours", Load(OURS)),
    Row("bare", "bare C on libmicrohttpd", "bare", Load(BARE)),
    Row("nginx", "nginx (a constant)", "nginx", Load(NGINX, "constant")),
    Row("lua", "nginx's lua_shared_dict", "lua", Load(NGINX)),
    Row("redis", "Redis GET", "redis", Load(REDIS)),
    Row("etcd", "etcd range", "etcd", Load(ETCD)),
])

GET_LARGE = Figure("get-large", "GET of 1 MiB, 32 connections", "/s", [
    Row("ours", "**sharedmem serve**", "ours", Load(LARGE)),
    Row("bare", "bare C on libmicrohttpd", "bare", Load(Server("bare", MiB))),
])

UNCHANGED = Figure("unchanged", "GET of unchanged text (304), 32 connections", "/s", [
    Row("ours", "**sharedmem serve**", "ours", Load(OURS, "unchanged")),
    Row("bare", "bare C on libmicrohttpd", "bare", Load(BARE, "unchanged")),
])

PUT = Figure("put", "PUT of 64 bytes, 32 connections", "/s", [
    Row("ours", "**sharedmem serve**", "ours", Load(OURS, "put")),
    Row("bare", "bare C on libmicrohttpd", "bare", Load(BARE, "put")),
    Row("lua", "nginx's lua_shared_dict", "lua", Load(NGINX, "put")),
    Row("redis", "Redis SET", "redis", Load(REDIS, "put")),
    Row("etcd", "etcd put", "etcd", Load(ETCD, "put")),
])

CONNECTIONS = Figure("connections", "GET of 64 bytes, 32 and 2,000 connections", "/s", [
    row for key, title, server in (("ours", "**sharedmem serve**", OURS), ("bare", "bare C on libmicrohttpd", BARE),
                                   ("lua", "nginx's lua_shared_dict", NGINX))
    for row in (Row(f"{key}-{count}", f"{title}, {count:,}", key, Load(server, connections=count))
                for count in (32, 2000))
])

MEMORY = Figure("memory", "Resident memory of a server after one second of load", "bytes", [
    Row("ours-64", "**sharedmem serve**, 64 B", "ours", Resident(Server("ours", use="memory"))),
    Row("ours-1M", "**sharedmem serve**, 1 MiB", "ours", Resident(Server("ours", MiB, "memory"))),
    Row("ours-64M", "**sharedmem serve**, 64 MiB", "ours", Resident(Server("ours", 64 * MiB, "memory"))),
    Row("nginx", "nginx with Lua, master and one worker", "lua", Resident(Server("nginx", use="memory"))),
    Row("redis", "Redis", "redis", Resident(Server("redis", use="memory"))),
    Row("etcd", "etcd", "etcd", Resident(Server("etcd", use="memory"))),
    Row("ours-2000", "**sharedmem serve**, 64 B, 2,000 connections", "ours",
        Resident(Server("ours", use="crowded"), connections=2000)),
])

BACKING = Figure("backing", "Memory of a segment's file", "bytes", [
    Row("64", "**sharedmem**, after a million sets of 64 B", "ours", Backing(64, 1_000_000)),
    Row("1M", "**sharedmem**, after 2,000 sets of 1 MiB", "ours", Backing(MiB, 2000)),
])

WAKES = [
    Figure(key, title, "ns", [
        Row("wait", "**`sharedmem_wait`**", "ours", Wake("wait", cores=cores)),
        Row("futex", "bare futex", "futex", Wake("futex", cores=cores)),
        Row("inotify", "file renamed into place, and inotify", "inotify", Wake("inotify", cores=cores)),
        Row("events", "**event stream of `sharedmem serve`**, over TCP", "ours", Wake("events", OURS, cores)),
        Row("redis", "Redis PUBLISH to SUBSCRIBE, over TCP", "redis", Wake("redis", REDIS, cores)),
    ]) for key, title, cores in (
        ("wake", "From a set to the return of a waiter in another process", "awake"),
        ("wake-idle", "From a set to the return of a waiter on a sleeping core", "idle"))
]

FIRST = Figure("first", "Starting a server", "ns", [
    Row("first", "**sharedmem serve**, from start to first response", "ours", FirstAnswer()),
])

REST = Figure("rest", "An idle server", " ms of CPU in 5 s", [
    Row("ours", "**sharedmem serve**", "ours", Rest(OURS)),
    Row("redis", "Redis", "redis", Rest(REDIS)),
    Row("etcd", "etcd", "etcd", Rest(ETCD)),
], quick=False)

STREAMS = Server("streams")
CROWD = Figure("crowd", f"{MANY:,} event streams: delay until the last one has a change", "ns", [
    Row("one", "one change", "ours", Crowd(1)),
    Row("thousand", "the last of 1,000 changes in one second", "ours", Crowd(1000)),
], quick=False)
BESIDE = Figure("beside", f"GET of 64 bytes beside {MANY:,} event streams, 32 connections", "/s", [
    Row("beside", "**sharedmem serve**, beside the streams", "ours", Load(STREAMS)),
    Row("alone", "**sharedmem serve**, without streams", "ours", Load(OURS)),
], quick=False)
STREAM_MEMORY = Figure("stream", "Memory of each event stream", "bytes", [
    Row("stream", "**sharedmem serve**", "ours", ForEachStream()),
], quick=False)

SIZES = (1, 64, KiB, 16 * KiB, 256 * KiB, MiB, 16 * MiB, 256 * MiB)
PROCESSES = (1, 2, 4, 8, 16, 32, 64)

GROWTH = [
    Figure("growth-read", "Reading, by size of the text", "ns", lines(
        SIZES,
        ours=lambda size: swift("borrow", "read", bytes=size), lmdb=lambda size: c("lmdb", "read", bytes=size),
        boost=lambda size: c("boost", "read", bytes=size), seqlock=lambda size: c("seqlock", "read", bytes=size)),
        axis="bytes", quick=False),
    Figure("growth-write", "Setting, by size of the text", "ns", lines(
        SIZES,
        ours=lambda size: swift("borrow", "write", bytes=size), lmdb=lambda size: c("lmdb", "write", bytes=size),
        boost=lambda size: c("boost", "write", bytes=size), memcpy=lambda size: c("memcpy", "write", bytes=size)),
        axis="bytes", quick=False),
    Figure("growth-readers", "Reads of 64 bytes a second, by number of reading processes", "/s", lines(
        PROCESSES,
        ours=lambda count: swift("borrow", "read", workers=count, per_second=True),
        reader=lambda count: swift("reader", "read", workers=count, per_second=True),
        **{key: lambda count, key=key: c(key, "read", workers=count, per_second=True)
           for key in ("lmdb", "boost", "seqlock")}), axis="processes", quick=False),
    Figure("growth-writers", "Sets of 64 bytes a second, by number of writing processes", "/s", lines(
        PROCESSES,
        ours=lambda count: swift("borrow", "write", workers=count, per_second=True),
        **{key: lambda count, key=key: c(key, "write", workers=count, per_second=True)
           for key in ("lmdb", "boost", "rwlock", "mutex")}), axis="processes", quick=False),
    Figure("growth-get", "GETs a second over 32 connections, by size of the text", "/s", lines(
        (64, KiB, 16 * KiB, 256 * KiB, MiB, 16 * MiB),
        ours=lambda size: Load(Server("ours", size)), bare=lambda size: Load(Server("bare", size))),
        axis="bytes", quick=False),
    Figure("growth-connections", "GETs of 64 bytes a second, by number of connections", "/s", lines(
        (1, 8, 32, 128, 512, 2000),
        ours=lambda count: Load(OURS, connections=count), bare=lambda count: Load(BARE, connections=count),
        lua=lambda count: Load(NGINX, connections=count)), axis="connections", quick=False),
]

FIGURES = [READ, WRITE, *LARGE_WRITES, FLAT, PUBLISHING, TWO, ATTACH, ARRIVE, GET, GET_LARGE, UNCHANGED, PUT, CONNECTIONS,
           MEMORY, BACKING, *WAKES, FIRST, REST, CROWD, BESIDE, STREAM_MEMORY, *GROWTH]

# Operations on 64 bytes whose instructions callgrind counts, and how often each is repeated.
INSTRUCTIONS = {
    "borrow (Swift)": (swift("borrow", "read"), 10_000),
    "withText (Swift)": (swift("text", "read"), 10_000),
    "get (Swift)": (swift("get", "read"), 10_000),
    "set (Swift)": (swift("borrow", "write"), 10_000),
    "attach and detach (Swift)": (swift("borrow", "attach"), 200),
    "Reader (Swift)": (swift("reader", "read"), 10_000),
    "borrow (C)": (c("borrow", "read"), 10_000),
    "Reader (C)": (c("reader", "read"), 10_000),
    "get (C)": (c("get", "read"), 10_000),
    "set (C)": (c("borrow", "write"), 10_000),
    "GET (server)": (Request("get"), 500),
    "GET, 304 (server)": (Request("unchanged"), 500),
    "PUT (server)": (Request("put"), 500),
}
