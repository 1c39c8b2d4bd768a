// Measures ways to share text. Each program implements some ways. timing.c has the clock, the processes and the command
// line, so that the same code measures all of them.

#ifndef TIMING_H
#define TIMING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct job {
    const char *directory; // on a tmpfs; the harness removes its contents
    char *text;
    size_t length;
};

/// One way to share text. An operation that it does not support is NULL.
struct peer {
    const char *name;
    /// Creates the shared object with the text in it, before any process opens it.
    void (*create)(const struct job *job);
    /// Attaches this process.
    void *(*open)(const struct job *job);
    void (*close)(void *object);
    /// Reads `count` times. The result depends on everything that was read, so that the compiler cannot omit a read.
    uintptr_t (*read)(void *object, long count);
    /// Sets the job's text `count` times.
    void (*write)(void *object, long count);
};

/// Runs the command line with one of the peers and prints the result. See timing.c.
int measure_peers(int argc, char **argv, const struct peer *peers, size_t count);

/// Ends the process with `what` and the meaning of errno on standard error.
void give_up(const char *what);

/// Gives up if `well` is 0.
static inline void require(int well, const char *what) {
    if (!well) give_up(what);
}

#ifdef __cplusplus
}
#endif

#endif
