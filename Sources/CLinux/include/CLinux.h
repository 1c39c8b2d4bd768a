// Parts of Linux that Swift cannot see: variadic calls, feature-test macros, thread-local addresses, and some headers.
// Mechanism only, no policy. Every function declared here returns -errno instead of setting errno.

#ifndef CLINUX_H
#define CLINUX_H

#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>

// MARK: Descriptors that a forked child closes
//
// Linux has no close-on-fork flag. A child that kept a descriptor would keep its open file description, and with that the
// locks, of a parent that may be long dead. For each regular file, the child gets a descriptor that only reads.

// A program may close descriptors that are not its own, and then get the same number for another file. So each opening has a
// serial number.

/// open(2) with `O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY`; what it creates is for the owner alone.
int clinux_open(const char *path, int flags, uint64_t *serial);

/// open(2) with `O_TMPFILE | O_RDWR`: a file without a name in `directory`, for the owner alone.
int clinux_open_unnamed(const char *directory, uint64_t *serial);

/// open(2) with `O_PATH | O_DIRECTORY`, to look up names in a directory wherever its path leads by then.
int clinux_open_directory(const char *path, uint64_t *serial);

/// In a forked child, the descriptor for reading a file that its parent had open, which the caller closes; -ENOENT if there is
/// none.
int clinux_take_inherited(uint64_t device, uint64_t inode, uint64_t *serial);

/// Whether a descriptor is still the one that was opened.
bool clinux_is_open(int descriptor, uint64_t serial);

/// close(2), for a descriptor that is still the one that was opened; without effect in a forked child, where it is closed
/// already.
void clinux_close(int descriptor, uint64_t serial);

// MARK: Objects that the users of one key share
//
// The list is whole in a forked child, even if another thread of the parent was changing it.

struct clinux_key {
    uint64_t first, second;
    uint32_t kind;
    /// Whether a forked child keeps the object; otherwise it finds none with this key.
    bool is_kept_by_children;
};

/// The object with this key, which has one user more now; null if there is none.
void *clinux_shared_object(struct clinux_key key);

/// Gives the key an object, unless it has one, and returns the one that it has now, with one user more.
///
/// Null if there is no memory, or if this is called in a signal handler that interrupts one of these functions.
void *clinux_share(void *object, struct clinux_key key);

/// Makes sure that an object is not found by its key any more.
void clinux_hide(const void *object);

/// How many users an object has; 0 if it has no key.
size_t clinux_user_count(const void *object);

/// Ends one use of an object; true if it was the last one, or if the object has no key. Then it has no key any more.
bool clinux_stop_sharing(const void *object);

// MARK: Files

/// linkat(2): gives an unnamed file its name, through the descriptor or through /proc.
int clinux_link_unnamed(int descriptor, const char *path);

/// renameat2(2) with `RENAME_NOREPLACE`.
int clinux_rename_new(const char *from, const char *to);

/// fallocate(2) with `FALLOC_FL_KEEP_SIZE`: puts memory behind the pages of a range.
int clinux_reserve(int descriptor, int64_t offset, int64_t byte_count);

/// fallocate(2) with `FALLOC_FL_PUNCH_HOLE`: gives back the memory behind the pages of a range.
int clinux_punch(int descriptor, int64_t offset, int64_t byte_count);

/// CRC-64/XZ of `byte_count` bytes more, where `crc` is that of the bytes before them; 0 for none.
uint64_t clinux_crc64(uint64_t crc, const void *bytes, size_t byte_count);

// MARK: Open file description locks, one byte each

/// `F_OFD_SETLK` with `F_RDLCK`, `F_WRLCK` or `F_UNLCK`: 1 granted, 0 refused. Replaces this description's own lock.
int clinux_lock(int descriptor, int type, int64_t byte);

/// `F_OFD_GETLK`: the locks that other descriptions hold on the byte: 0 none, 1 shared ones, 2 an exclusive one.
int clinux_lock_elsewhere(int descriptor, int64_t byte);

// MARK: Shared memory

/// Whether all bytes are ASCII other than U+0000.
bool clinux_is_plain(const void *text, size_t byte_count);

/// Copies past the caches, to an address that is a multiple of 16; true if all bytes are ASCII other than U+0000.
///
/// If neither side fits a cache, this is as fast as memory is, and leaves the contents of the caches alone.
bool clinux_stream(void *destination, const void *source, size_t byte_count);

/// futex(2), `FUTEX_WAIT` between processes: sleeps while the word is `expected`, but not beyond the timeout.
int clinux_futex_wait(const void *word, uint32_t expected, int64_t timeout_nanoseconds);

/// futex(2), `FUTEX_WAKE` between processes: wakes `count` of the threads that sleep on the word.
int clinux_futex_wake(const void *word, int count);

// MARK: Process

/// The pin that the calling thread took last, in whatever segment; 0 at first.
static inline uint32_t clinux_last_pin(void) {
    extern __thread uint32_t clinux_pin __attribute__((tls_model("initial-exec")));
    return clinux_pin;
}

static inline void clinux_set_last_pin(uint32_t pin) {
    extern __thread uint32_t clinux_pin __attribute__((tls_model("initial-exec")));
    clinux_pin = pin;
}

/// pthread_setname_np(3), for the calling thread: 15 bytes and a zero at most.
int clinux_name_thread(const char *name);

/// accept4(2) with `SOCK_CLOEXEC | SOCK_NONBLOCK`, without the address.
int clinux_accept(int descriptor);

/// Has exit(3) call `leave(object)`, except when a signal handler calls exit(3) in the middle of this or the next function.
int clinux_call_at_exit(void *object, void (*leave)(void *object));

/// Cancels the call of `leave(object)`; when this has returned, the call is not in progress either.
void clinux_do_not_call_at_exit(const void *object);

/// secure_getenv(3): null in a process that runs with more rights than its caller.
const char *clinux_environment(const char *name);

/// The name of the running program, as invoked.
const char *clinux_program_name(void);

#endif
