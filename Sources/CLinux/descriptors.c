#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int *descriptors;
static size_t count, room;

// Held across fork, so that a child finds the list whole and closes all of it. Checked for errors: a
// signal handler must get an error, not a deadlock, when it interrupts this very thread in here.
static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static bool locked_for_fork;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;

static void before_fork(void) { locked_for_fork = pthread_mutex_lock(&mutex) == 0; }

static void after_fork_in_parent(void) {
    if (locked_for_fork) pthread_mutex_unlock(&mutex);
}

static void after_fork_in_child(void) {
    while (count > 0) close(descriptors[--count]);
    // Not unlocked: to this kind of mutex the child's thread is another one.
    mutex = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
}

static void watch_forks(void) { once_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

static bool make_room(void) {
    if (count < room) return true;
    size_t larger = room ? 2 * room : 8;
    int *moved = realloc(descriptors, larger * sizeof *moved);
    if (!moved) return false;
    descriptors = moved;
    room = larger;
    return true;
}

/// The descriptor, or in a standard stream's place a copy above: what is printed there would go into the segment.
static int above_standard_streams(int descriptor) {
    if (descriptor < 0 || descriptor > STDERR_FILENO) return descriptor;
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(descriptor);
    errno = error;
    return copy;
}

/// Opens and takes down in one step, as far as a fork can tell.
static int open_listed(const char *path, int flags, mode_t mode) {
    pthread_once(&once, watch_forks);
    if (once_error) return -once_error;
    int error = pthread_mutex_lock(&mutex);
    if (error) return -error;
    int result = -ENOMEM;
    if (make_room()) {
        result = above_standard_streams(open(path, flags | O_CLOEXEC, mode));
        if (result < 0) result = -errno;
        else descriptors[count++] = result;
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

int clinux_open(const char *path, int flags) {
    // A planted FIFO, lease or terminal must neither hang the open nor become our terminal.
    return open_listed(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
}

int clinux_open_unnamed(const char *directory) { return open_listed(directory, O_TMPFILE | O_RDWR, S_IRUSR | S_IWUSR); }

int clinux_open_new(const char *path) {
    return open_listed(path, O_CREAT | O_EXCL | O_RDWR, S_IRUSR | S_IWUSR);
}

void clinux_close(int descriptor) {
    if (pthread_mutex_lock(&mutex)) return;
    for (size_t index = 0; index < count; index++) {
        if (descriptors[index] != descriptor) continue;
        descriptors[index] = descriptors[--count];
        close(descriptor);
        break;
    }
    pthread_mutex_unlock(&mutex);
}
