#include "CLinux.h"

typedef uint8_t vector __attribute__((vector_size(16)));
typedef uint8_t unaligned_vector __attribute__((vector_size(16), aligned(1)));

enum { line = 64, page = 4096, pages = 4 };

/// A summary of some bytes: the smallest one of each lane, and the bits that any of them has.
struct seen {
    vector least, bits;
};

static inline struct seen stream_line(uint8_t *destination, const uint8_t *source, struct seen seen) {
    for (int index = 0; index < line; index += 16) {
        vector bytes = *(const unaligned_vector *)(source + index);
        seen.least = __builtin_elementwise_min(seen.least, bytes);
        seen.bits |= bytes;
        __builtin_nontemporal_store(bytes, (vector *)(destination + index));
    }
    return seen;
}

bool clinux_stream(void *destination, const void *source, size_t byte_count) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    struct seen seen = {~(vector){0}, {0}};
    // Only fences order stores past the caches after earlier stores, and before later ones. On x86, this fence and the
    // one below become a locked instruction (`lock or`), which orders non-temporal stores as well, as `sfence` does. On
    // arm64, they become `dmb ish`.
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    // Several pages at a time, as a processor prefetches within each page.
    size_t position = 0;
    for (; position + pages * page <= byte_count; position += pages * page) {
        for (size_t index = position; index < position + page; index += line)
            for (size_t other = index; other < index + pages * page; other += page)
                seen = stream_line(to + other, from + other, seen);
    }
    uint8_t least = __builtin_reduce_min(seen.least), bits = __builtin_reduce_or(seen.bits);
    for (; position < byte_count; position++) {
        to[position] = from[position];
        if (from[position] < least) least = from[position];
        bits |= from[position];
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return least > 0 && bits < 0x80;
}
