#include "CLinux.h"

#include <string.h>

typedef uint8_t vector __attribute__((vector_size(16)));
typedef uint8_t unaligned_vector __attribute__((vector_size(16), aligned(1)));

enum { line = 64, page = 4096, pages = 4 };

/// A summary of some bytes: the smallest one of each lane, and the bits that any of them has.
struct seen {
    vector least, bits;
};

static const struct seen nothing = {~(vector){0}, {0}};

static inline struct seen see(vector bytes, struct seen seen) {
    return (struct seen){__builtin_elementwise_min(seen.least, bytes), seen.bits | bytes};
}

static inline bool is_plain(struct seen seen) {
    return __builtin_reduce_min(seen.least) > 0 && __builtin_reduce_or(seen.bits) < 0x80;
}

static inline vector bytes_at(const uint8_t *address) { return *(const unaligned_vector *)address; }

bool clinux_is_plain(const void *text, size_t byte_count) {
    const uint8_t *bytes = text;
    if (byte_count < sizeof(vector)) {
        vector padded = (vector){0} + 'x';
        if (byte_count > 0) memcpy(&padded, bytes, byte_count);
        return is_plain(see(padded, nothing));
    }
    struct seen seen = nothing;
    size_t position = 0;
    // A page at a time: in most languages, the first page has other letters.
    for (; position + page <= byte_count; position += page) {
        for (size_t index = position; index < position + page; index += sizeof(vector))
            seen = see(bytes_at(bytes + index), seen);
        if (!is_plain(seen)) return false;
    }
    for (; position + sizeof(vector) <= byte_count; position += sizeof(vector))
        seen = see(bytes_at(bytes + position), seen);
    // Some of these were seen already.
    return is_plain(see(bytes_at(bytes + byte_count - sizeof(vector)), seen));
}

static inline struct seen stream_line(uint8_t *destination, const uint8_t *source, struct seen seen) {
    for (int index = 0; index < line; index += sizeof(vector)) {
        vector bytes = bytes_at(source + index);
        seen = see(bytes, seen);
        __builtin_nontemporal_store(bytes, (vector *)(destination + index));
    }
    return seen;
}

bool clinux_stream(void *destination, const void *source, size_t byte_count) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    struct seen seen = nothing;
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
    memcpy(to + position, from + position, byte_count - position);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return is_plain(seen) && clinux_is_plain(from + position, byte_count - position);
}
