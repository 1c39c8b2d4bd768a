// What Linux offers and Swift cannot see: variadic calls, feature-test macros, thread-local
// addresses. Mechanism only, no policy. Every function returns -errno instead of setting errno.

#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: Descriptors that a forked child closes
//
// Linux has no close-on-fork flag. A child that kept a descriptor would keep its open file
// description, and with that the locks, of a parent that may be long dead.

/// open(2). `O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY` are always added.
int clinux_open(const char *path, int flags);

/// open(2) with `O_TMPFILE | O_RDWR`: a file without a name in `directory`.
int clinux_open_unnamed(const char *directory);

/// open(2) with `O_CREAT | O_EXCL | O_RDWR`, for the owner alone.
int clinux_open_new(const char *path);

/// close(2), of what one of these opened. In a forked child that is done already.
void clinux_close(int descriptor);

// MARK: Files

/// linkat(2): gives an unnamed file its name, through the descriptor or through /proc.
int clinux_link_unnamed(int descriptor, const char *path);

/// renameat2(2) with `RENAME_NOREPLACE`.
int clinux_rename_new(const char *from, const char *to);

/// fallocate(2) that makes the pages of a range real, the file's size unchanged.
int clinux_reserve(int descriptor, int64_t offset, int64_t byte_count);

/// fallocate(2) with `FALLOC_FL_PUNCH_HOLE`: gives the pages of a range back.
int clinux_punch(int descriptor, int64_t offset, int64_t byte_count);

/// fstatfs(2): 1 when the file is on a tmpfs, 0 when it is not.
int clinux_is_tmpfs(int descriptor);

// MARK: Open file description locks, one byte each

/// `F_OFD_SETLK` with `F_WRLCK`: 1 granted, 0 refused.
int clinux_lock_exclusive(int descriptor, int64_t byte);

/// `F_OFD_SETLK` with `F_RDLCK`: 1 granted, 0 refused. Turns an exclusive lock into a shared one.
int clinux_lock_shared(int descriptor, int64_t byte);

/// `F_OFD_SETLK` with `F_UNLCK`.
int clinux_unlock(int descriptor, int64_t byte);

/// `F_OFD_GETLK`: what other descriptions hold on the byte: 0 nothing, 1 shared locks, 2 an exclusive one.
int clinux_lock_elsewhere(int descriptor, int64_t byte);

// MARK: Memory

/// mmap(2), shared, never inherited by a forked child, never part of a core dump, never filled
/// with memory all at once.
int clinux_map_shared(int descriptor, size_t byte_count, bool writable, void **address);

/// One zeroed page, private to this process, that a forked child finds zeroed again.
int clinux_map_wiped_on_fork(void **address);

size_t clinux_page_size(void);

/// Copies past the caches, to an address that is a multiple of 16, and says whether all bytes are ASCII other than U+0000.
///
/// As fast as memory is, where neither side fits a cache; and what others have in their caches stays there.
bool clinux_stream(void *destination, const void *source, size_t byte_count);

// MARK: Waiting

/// futex(2), `FUTEX_WAIT` between processes: sleeps while the word is `expected`, for a time at most.
int clinux_futex_wait(const void *word, uint32_t expected, int64_t timeout_nanoseconds);

/// futex(2), `FUTEX_WAKE` between processes: wakes all who sleep on the word.
int clinux_futex_wake(const void *word);

// MARK: Descriptors that are waited for

/// eventfd(2): a descriptor that is readable once something was written to it.
int clinux_new_event_descriptor(void);

/// epoll_create1(2).
int clinux_new_poll(void);

/// epoll_ctl(2): reports, each time it comes to be so, that the descriptor is readable.
int clinux_poll_readable(int poll, int descriptor);

/// The same: that it is writable, or that the other side has left.
int clinux_poll_writable(int poll, int descriptor);

/// epoll_ctl(2).
int clinux_poll_no_more(int poll, int descriptor);

struct clinux_poll_event {
    int descriptor;
    /// The other side has closed the connection or its half of it, or the connection is broken.
    bool has_left;
};

/// epoll_wait(2): how many of the events were filled in. A negative timeout is none.
int clinux_poll_wait(int poll, struct clinux_poll_event *events, int count, int timeout_milliseconds);

// MARK: Process

/// A number that differs between running threads; one register read.
static inline uint64_t clinux_thread_token(void) {
    return (uint64_t)(uintptr_t)__builtin_thread_pointer();
}

/// pthread_setname_np(3), for the calling thread: 15 bytes and a zero at most.
int clinux_name_thread(const char *name);

/// Has exit(3) call `leave(object)`, unless it is called while this thread is in one of these two.
int clinux_call_at_exit(void *object, void (*leave)(void *object));

/// Undoes that. Once it has returned, the call is not under way either.
void clinux_do_not_call_at_exit(const void *object);

/// secure_getenv(3): null in a process that runs with more rights than its caller.
const char *clinux_environment(const char *name);

/// The name of the running program, as invoked.
const char *clinux_program_name(void);

#endif
