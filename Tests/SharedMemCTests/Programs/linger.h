// A process that takes a while to exit after all exit handlers and destructors have run.

#include "check.h"

#include <fcntl.h>
#include <pthread.h>

static inline void *drain(void *descriptor) {
    char bytes[4096];
    usleep(30000);
    while (read(*(int *)descriptor, bytes, sizeof bytes) > 0) {}
    return NULL;
}

/// Makes exit(3) wait at its last step, the flushing of standard output, for 30 ms.
static inline void linger_at_the_end(void) {
    static int ends[2];
    CHECK(pipe(ends) == 0);
    CHECK(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    char bytes[4096] = {0};
    while (write(ends[1], bytes, sizeof bytes) > 0) {}
    CHECK(errno == EAGAIN);
    CHECK(fcntl(ends[1], F_SETFL, 0) == 0);
    CHECK(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(putchar('x') == 'x');
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, drain, &ends[0]) == 0);
}
