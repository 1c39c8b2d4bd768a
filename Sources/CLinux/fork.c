// What a fork must find whole: the list of descriptors, which a child closes, the list of calls for exit(3), and the
// objects that a process shares. What a child must forget: the id of its parent's thread.

#define _GNU_SOURCE

#include "CLinux.h"
#include "once.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/// The lists, in the order in which their mutexes are taken: the calls for exit(3) close descriptors.
enum list { calls_list, objects_list, descriptors_list, list_count };

/// Each list's mutex, which fork(2) holds, so that a child finds the list whole.
///
/// It is error-checking: a signal handler that interrupts a thread with the mutex gets an error, and no deadlock.
static struct {
    pthread_mutex_t mutex;
    bool is_held_by_fork;
} guards[list_count] = {
    {.mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP},
    {.mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP},
    {.mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP},
};

static struct call {
    struct call *next;
    void *object;
    void (*leave)(void *object);
} *calls;

static struct shared {
    struct shared *next;
    struct clinux_key key;
    void *object;
    size_t user_count;
} *objects;

/// A descriptor, and the file that it was opened for: the program may close a number that is not its own, and then get the
/// same number for a file of its own.
static struct descriptor {
    int number;
    dev_t device;
    ino_t inode;
    /// Tells this opening from another one of the same file.
    uint64_t serial;
    /// Whether a parent opened it, and this process has not used it yet.
    bool is_inherited;
} *descriptors;
static size_t count, room;
static uint64_t last_serial;

static bool leads_to(int number, dev_t device, ino_t inode) {
    struct stat status;
    return fstat(number, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static bool is_ours(const struct descriptor *each) { return leads_to(each->number, each->device, each->inode); }

/// In a forked child: exchanges each descriptor of a regular file for one that only reads and has none of the parent's locks,
/// and closes the others.
static void inherit_descriptors(void) {
    size_t kept = 0;
    for (size_t index = 0; index < count; index++) {
        struct descriptor *each = &descriptors[index];
        struct stat status;
        if (!is_ours(each)) continue;
        char link[sizeof "/proc/self/fd/" + 3 * sizeof each->number];
        int fresh = -1;
        if (fstat(each->number, &status) == 0 && S_ISREG(status.st_mode)) {
            snprintf(link, sizeof link, "/proc/self/fd/%d", each->number);
            fresh = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        }
        close(each->number);
        if (fresh >= 0) descriptors[kept++] = (struct descriptor){fresh, each->device, each->inode, ++last_serial, true};
    }
    count = kept;
}

static void before_fork(void) {
    for (int list = 0; list < list_count; list++)
        guards[list].is_held_by_fork = pthread_mutex_lock(&guards[list].mutex) == 0;
    // With the mutexes: threads that fork at the same time take turns.
    clinux_note_remembered_id();
}

static void after_fork_in_parent(void) {
    for (int list = list_count - 1; list >= 0; list--)
        if (guards[list].is_held_by_fork) pthread_mutex_unlock(&guards[list].mutex);
}

static void after_fork_in_child(void) {
    clinux_forget_remembered_id();
    // The objects are the parent's. Nothing is freed: a child must not trust the allocator.
    calls = NULL;
    struct shared **link = &objects;
    while (*link) {
        if ((*link)->key.is_kept_by_children) link = &(*link)->next;
        else *link = (*link)->next;
    }
    inherit_descriptors();
    // Not unlocked: an error-checking mutex takes the child's thread for another one.
    for (int list = 0; list < list_count; list++)
        guards[list].mutex = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
}

static int watch_error;

static void watch_forks(void) {
    clinux_find_remembered_id();
    watch_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

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
    struct descriptor *moved = realloc(descriptors, larger * sizeof *moved);
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
static int open_listed(const char *path, int flags, uint64_t *serial) {
    int error = lock(descriptors_list);
    if (error) return error;
    int result = -ENOMEM;
    if (make_room()) {
        result = above_standard_streams(open(path, flags | O_CLOEXEC, S_IRUSR | S_IWUSR));
        struct stat status;
        if (result < 0 || fstat(result, &status) < 0) {
            int error = errno;
            if (result >= 0) close(result);
            result = -error;
        } else {
            // Whatever had this number before, the program has closed it.
            for (size_t index = 0; index < count; index++)
                if (descriptors[index].number == result) descriptors[index--] = descriptors[--count];
            descriptors[count++] =
                (struct descriptor){result, status.st_dev, status.st_ino, *serial = ++last_serial, false};
        }
    }
    unlock(descriptors_list);
    return result;
}

int clinux_open(const char *path, int flags, uint64_t *serial) {
    // A FIFO, lease or terminal that somebody planted must neither block the open nor become this process's terminal.
    return open_listed(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, serial);
}

int clinux_open_unnamed(const char *directory, uint64_t *serial) {
    return open_listed(directory, O_TMPFILE | O_RDWR, serial);
}

int clinux_open_directory(const char *path, uint64_t *serial) {
    return open_listed(path, O_PATH | O_DIRECTORY, serial);
}

int clinux_take_inherited(uint64_t device, uint64_t inode, uint64_t *serial) {
    if (lock(descriptors_list)) return -EDEADLK;
    int result = -ENOENT;
    for (size_t index = 0; index < count && result < 0; index++) {
        struct descriptor *each = &descriptors[index];
        if (!each->is_inherited || each->device != device || each->inode != inode) continue;
        each->is_inherited = false;
        *serial = each->serial;
        result = each->number;
    }
    unlock(descriptors_list);
    return result;
}

/// The index of a descriptor in the list; `count` if it is not there.
static size_t find_descriptor(int descriptor, uint64_t serial) {
    size_t index = 0;
    while (index < count && (descriptors[index].number != descriptor || descriptors[index].serial != serial)) index++;
    return index;
}

bool clinux_is_open(int descriptor, uint64_t serial) {
    if (lock(descriptors_list)) return false;
    size_t index = find_descriptor(descriptor, serial);
    bool result = index < count && is_ours(&descriptors[index]);
    unlock(descriptors_list);
    return result;
}

void clinux_close(int descriptor, uint64_t serial) {
    if (lock(descriptors_list)) return;
    size_t index = find_descriptor(descriptor, serial);
    if (index < count) {
        if (is_ours(&descriptors[index])) close(descriptor);
        descriptors[index] = descriptors[--count];
    }
    unlock(descriptors_list);
}

// MARK: Shared objects

static struct shared *find(struct clinux_key key) {
    struct shared *each = objects;
    while (each
           && (each->key.first != key.first || each->key.second != key.second
               || each->key.is_kept_by_children != key.is_kept_by_children || each->key.kind != key.kind))
        each = each->next;
    return each;
}

void *clinux_shared_object(struct clinux_key key) {
    if (lock(objects_list)) return NULL;
    struct shared *found = find(key);
    if (found) found->user_count++;
    unlock(objects_list);
    return found ? found->object : NULL;
}

void *clinux_share(void *object, struct clinux_key key) {
    struct shared *new = malloc(sizeof *new);
    if (!new || lock(objects_list)) {
        free(new);
        return NULL;
    }
    struct shared *found = find(key);
    if (!found) {
        *new = (struct shared){objects, key, object, 0};
        found = objects = new;
        new = NULL;
    }
    found->user_count++;
    unlock(objects_list);
    free(new);
    return found->object;
}

void clinux_hide(const void *object) {
    if (lock(objects_list)) return;
    for (struct shared *each = objects; each; each = each->next)
        if (each->object == object) each->key.kind = UINT32_MAX;
    unlock(objects_list);
}

size_t clinux_user_count(const void *object) {
    if (lock(objects_list)) return 0;
    struct shared *each = objects;
    while (each && each->object != object) each = each->next;
    size_t result = each ? each->user_count : 0;
    unlock(objects_list);
    return result;
}

bool clinux_stop_sharing(const void *object) {
    if (lock(objects_list)) return false;
    struct shared **link = &objects;
    while (*link && (*link)->object != object) link = &(*link)->next;
    struct shared *found = *link;
    bool has_others = found && --found->user_count > 0;
    if (found && !has_others) *link = found->next;
    unlock(objects_list);
    if (!has_others) free(found);
    return !has_others;
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
    // atexit(3) fails only when exit(3) has called all.
    if (!is_registered) return -ESHUTDOWN;
    struct call *call = malloc(sizeof *call);
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
