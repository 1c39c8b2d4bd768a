#define _GNU_SOURCE

#include "CLinux.h"
#include "fork.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int *descriptors;
static size_t count, room;

static void close_all(void) {
    while (count > 0) close(descriptors[--count]);
}

struct clinux_guard clinux_descriptor_guard = {PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, false, close_all};

static bool make_room(void) {
    if (count < room) return true;
    size_t larger = room ? 2 * room : 8;
    int *moved = realloc(descriptors, larger * sizeof *moved);
    if (!moved) return false;
    descriptors = moved;
    room = larger;
    return true;
}

/// Returns the descriptor, or a higher copy of it if it has a standard stream's number: output would go into the segment.
static int above_standard_streams(int descriptor) {
    if (descriptor < 0 || descriptor > STDERR_FILENO) return descriptor;
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(descriptor);
    errno = error;
    return copy;
}

/// Opens a file and lists its descriptor, in one step as far as a fork can tell.
static int open_listed(const char *path, int flags) {
    int error = clinux_enter(&clinux_descriptor_guard);
    if (error) return error;
    int result = -ENOMEM;
    if (make_room()) {
        result = above_standard_streams(open(path, flags | O_CLOEXEC, S_IRUSR | S_IWUSR));
        if (result < 0) result = -errno;
        else descriptors[count++] = result;
    }
    clinux_leave(&clinux_descriptor_guard);
    return result;
}

int clinux_open(const char *path, int flags) {
    // A FIFO, lease or terminal that somebody planted must neither block the open nor become this process's terminal.
    return open_listed(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

int clinux_open_unnamed(const char *directory) { return open_listed(directory, O_TMPFILE | O_RDWR); }

void clinux_close(int descriptor) {
    if (clinux_enter(&clinux_descriptor_guard)) return;
    for (size_t index = 0; index < count; index++) {
        if (descriptors[index] != descriptor) continue;
        descriptors[index] = descriptors[--count];
        close(descriptor);
        break;
    }
    clinux_leave(&clinux_descriptor_guard);
}
