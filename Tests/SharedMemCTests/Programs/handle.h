// Shorthand for tests of handles.

#include "check.h"

/// Checks that a call failed with an errno and a message.
#define REFUSED(call, error)                                                                                           \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == -1);                                                                                           \
        CHECK(errno == (error));                                                                                       \
        CHECK(strlen(sharedmem_last_error()) > 10);                                                                    \
    } while (0)

static inline sharedmem_t *attach(void) {
    sharedmem_t *segment = sharedmem_attach("test", NULL);
    CHECK(segment);
    return segment;
}

static inline sharedmem_t *attach_with(size_t capacity, uint32_t flags) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.capacity = capacity;
    options.flags = flags;
    return sharedmem_attach("test", &options);
}

static inline void set(sharedmem_t *segment, const char *text) {
    CHECK(sharedmem_set(segment, text, strlen(text), NULL) == 0);
}

static inline bool holds(sharedmem_t *segment, const char *text) {
    char buffer[8192];
    ssize_t length = sharedmem_get(segment, buffer, sizeof buffer, NULL);
    return length == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)length) == 0;
}

static inline bool borrow_holds(const sharedmem_borrow_t *borrow, const char *text) {
    return borrow->length == strlen(text) && memcmp(borrow->text, text, borrow->length) == 0;
}
