// What a fork must find whole: the list of descriptors, which a child closes, and the list of calls for exit(3).

#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/// The lists, in the order in which their mutexes are taken: the calls for exit(3) close descriptors.
enum list { calls_list, descriptors_list, list_count };

/// Each list's mutex, which fork(2) holds, so that a child finds the list whole.
///
/// It is error-checking: a signal handler that interrupts a thread with the mutex gets an error, and no deadlock.
static struct {
    pthread_mutex_t mutex;
    bool is_held_by_fork;
} guards[list_count] = {
    {.mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP},
    {.mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP},
};

static struct call {
    struct call *next;
    void *object;
    void (*leave)(void *object);
} *calls;

static int *descriptors;
static size_t count, room;

static void before_fork(void) {
    for (int list = 0; list < list_count; list++)
        guards[list].is_held_by_fork = pthread_mutex_lock(&guards[list].mutex) == 0;
}

static void after_fork_in_parent(void) {
    for (int list = list_count - 1; list >= 0; list--)
        if (guards[list].is_held_by_fork) pthread_mutex_unlock(&guards[list].mutex);
}

static void after_fork_in_child(void) {
    // The objects are the parent's. Nothing is freed: a child must not trust the allocator.
    calls = NULL;
    while (count > 0) close(descriptors[--count]);
    // Not unlocked: an error-checking mutex takes the child's thread for another one.
    for (int list = 0; list < list_count; list++)
        guards[list].mutex = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
}

static int watch_error;

static void watch_forks(void) { watch_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

/// Takes a list's mutex; 0, or -errno if this thread holds it already.
static int lock(enum list list) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    return watch_error ? -watch_error : -pthread_mutex_lock(&guards[list].mutex);
}

static void unlock(enum list list) { pthread_mutex_unlock(&guards[list].mutex); }

// MARK: Descriptors

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
    int error = lock(descriptors_list);
    if (error) return error;
    int result = -ENOMEM;
    if (make_room()) {
        result = above_standard_streams(open(path, flags | O_CLOEXEC, S_IRUSR | S_IWUSR));
        if (result < 0) result = -errno;
        else descriptors[count++] = result;
    }
    unlock(descriptors_list);
    return result;
}

int clinux_open(const char *path, int flags) {
    // A FIFO, lease or terminal that somebody planted must neither block the open nor become this process's terminal.
    return open_listed(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

int clinux_open_unnamed(const char *directory) { return open_listed(directory, O_TMPFILE | O_RDWR); }

void clinux_close(int descriptor) {
    if (lock(descriptors_list)) return;
    for (size_t index = 0; index < count; index++) {
        if (descriptors[index] != descriptor) continue;
        descriptors[index] = descriptors[--count];
        close(descriptor);
        break;
    }
    unlock(descriptors_list);
}

// MARK: Calls for exit(3)

static bool is_registered;

static void at_exit(void) {
    if (lock(calls_list)) return;
    for (struct call *each = calls; each; each = each->next) each->leave(each->object);
    unlock(calls_list);
}

static void register_at_exit(void) { is_registered = atexit(at_exit) == 0; }

int clinux_call_at_exit(void *object, void (*leave)(void *object)) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_at_exit);
    struct call *call = is_registered ? malloc(sizeof *call) : NULL;
    if (!call) return -ENOMEM;
    int error = lock(calls_list);
    if (error) {
        free(call);
        return error;
    }
    *call = (struct call){calls, object, leave};
    calls = call;
    unlock(calls_list);
    return 0;
}

void clinux_do_not_call_at_exit(const void *object) {
    if (lock(calls_list)) return;
    struct call **link = &calls;
    while (*link && (*link)->object != object) link = &(*link)->next;
    struct call *found = *link;
    if (found) *link = found->next;
    unlock(calls_list);
    free(found);
}
