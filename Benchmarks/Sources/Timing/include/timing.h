// What a program here measures: ways to share one text. The program has the ways, timing.c has the clock, the
// processes and the command line, so that all of them are measured by the same code.

#ifndef TIMING_H
#define TIMING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct job {
    const char *directory; // on a tmpfs; what is in it, the driver takes away
    char *text;
    size_t length;
};

/// One way to share a text. What it cannot do is NULL.
struct peer {
    const char *name;
    /// Makes the shared object with the text in it, before any process opens it.
    void (*create)(const struct job *job);
    /// Attaches this process.
    void *(*open)(const struct job *job);
    void (*close)(void *object);
    /// Reads so often. What comes back is made of all that was read, so that no reading can be left out.
    uintptr_t (*read)(void *object, long count);
    /// Sets the job's text so often.
    void (*write)(void *object, long count);
};

/// Does what the command line says with one of the peers and prints one number; see timing.c.
int measure_peers(int argc, char **argv, const struct peer *peers, size_t count);

/// Ends the process with a message.
void give_up(const char *what);

/// Does so if `well` is 0.
static inline void require(int well, const char *what) {
    if (!well) give_up(what);
}

#ifdef __cplusplus
}
#endif

#endif
