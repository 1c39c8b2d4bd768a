// Threads that wait for a change.

#include "handle.h"

#include <pthread.h>

static inline bool same(sharedmem_version_t one, sharedmem_version_t other) {
    return one.instance == other.instance && one.number == other.number;
}

static inline sharedmem_version_t version_of(sharedmem_t *segment) {
    sharedmem_version_t version;
    CHECK(sharedmem_version(segment, &version) == 0);
    return version;
}

struct waiter {
    pthread_t thread;
    sharedmem_t *segment;
    sharedmem_version_t after, seen;
    int timeout, result, error;
};

static inline void *run_waiter(void *context) {
    struct waiter *waiter = context;
    waiter->result = sharedmem_wait(waiter->segment, waiter->after, waiter->timeout, &waiter->seen);
    waiter->error = errno;
    return NULL;
}

static inline void start_waiting(struct waiter *waiter, sharedmem_t *segment, int timeout) {
    *waiter = (struct waiter){.segment = segment, .after = version_of(segment), .timeout = timeout};
    CHECK(pthread_create(&waiter->thread, NULL, run_waiter, waiter) == 0);
}

static inline void ends_with(struct waiter *waiter, sharedmem_version_t version) {
    CHECK(pthread_join(waiter->thread, NULL) == 0);
    CHECK(waiter->result == 0 && same(waiter->seen, version));
}
