// sharedmem: one named text in shared memory, which every process on the host can read and set.
//
//     sharedmem_t *segment = sharedmem_attach("shared", NULL);
//     if (!segment || sharedmem_set(segment, "Esta es una cadena de prueba", 28, NULL) != 0)
//         fprintf(stderr, "%s\n", sharedmem_last_error());
//
// Link with -lSharedMem. Lengths and capacities are bytes of UTF-8, unless a function says characters.
//
// THREADS. Any thread may call any function at any time, on any handle; only sharedmem_detach must be
// the last call on its handle. Nothing here is for signal handlers. No call waits for another process
// that was stopped or killed.
//
// FORK. A forked child may go on using its parent's handles: it attaches anew at its first call, and what
// it detaches is its own. Not supported is forking while a borrow is open, or while another thread makes the
// process's first call of a kind: the Swift runtime inside prepares itself then, under locks of its own.
//
// ERRORS. What failed returns -1, or NULL for a handle, sets errno, and leaves a sentence that says what
// to do next in sharedmem_last_error(). The segment's text is then what it was.
//
//     EINVAL     a null handle or pointer, an unknown flag, a name or capacity that cannot be, also in the
//                environment
//     EMSGSIZE   the text is longer than the segment's capacity
//     EILSEQ     the text is not UTF-8, or contains U+0000; the sentence has the offset
//     ESTALE     sharedmem_set_if: the text has changed; read it again
//     EROFS      the segment is attached for reading only
//     EBUSY      sharedmem_detach: a borrow or a reader is open
//     EAGAIN     others were in the way for a second or more; try again
//     ETIMEDOUT  sharedmem_wait: the time is up
//     EINTR      sharedmem_wait: this thread has handled a signal; call it again
//     EIDRM      sharedmem_wait: the segment was unlinked, or another took its name; attach anew
//     ENOENT     there is no such segment, or no such directory
//     EEXIST     the segment exists with another capacity than the one asked for
//     ENOTSUP    the file in the segment's place is not one this library can use
//     EPERM      the file in the segment's place belongs to a user the caller does not trust
//     EOWNERDEAD the segment's last process is gone, and only its owner or root can remove the file
//     ENODEV     the directory is not on a tmpfs, so the text would not be in memory
//     EREMOTE    the segment belongs to another kernel, whose locks are not seen here
//     EUCLEAN    the segment is damaged: something else has written to its file
//     EUSERS     126 attachments that can set exist already; those for reading only are not limited. Or all 64 places
//                for borrows and readers are taken
//     ENOSPC     no memory is left on the tmpfs
//     EFBIG      the process may not create a file of this size (RLIMIT_FSIZE)
//     any other  the operating system's own: EACCES, EMFILE, ENOMEM, …

#ifndef SHAREDMEM_H
#define SHAREDMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <wchar.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: The segment that comes with the library
//
// It is attached when the library is loaded and detached when it is unloaded: `shared` in /dev/shm with
// room for 1 MiB, unless SHAREDMEM_NAME, SHAREDMEM_DIRECTORY and SHAREDMEM_CAPACITY in the environment
// say otherwise (a process with more rights than its caller ignores them). The first process to attach
// finds it empty, and it is gone when the last one has ended or unloaded the library.
//
// Where that fails the process goes on, and each of these calls tries again. They do what they can and
// report what they could not: sharedmem_last_error() is "" after a call in which nothing went wrong.

/// Sets the text. `text` is ended by a zero.
///
/// What does not fit the capacity is cut off between two characters (EMSGSIZE); a character that is none,
/// a surrogate or beyond 0x10FFFF, becomes U+FFFD (EILSEQ).
void SetSharedMem(const wchar_t *text);

/// Copies the text's first `count` - 1 characters, or all of them, and a zero behind them.
///
/// `buffer` has room for `count` characters. With `count` 0 nothing is written; a text that did not fit
/// is reported (ERANGE), and where the segment cannot be read, the buffer holds the empty text. (So it does for
/// a thread that makes its first call when the process is already ending: ESHUTDOWN.)
void GetSharedMem(wchar_t *buffer, uint32_t count);

// MARK: Any segment

/// An attachment to a segment.
typedef struct sharedmem sharedmem_t;

/// Which of a segment's texts. Numbers of different instances do not compare.
typedef struct sharedmem_version_t {
    /// Drawn at random when the segment was created.
    uint64_t instance;
    /// Counts the texts that were set; 0 is the empty one the segment was created with.
    uint64_t number;
} sharedmem_version_t;

/// Only reads: creates nothing, and needs no right to write the segment's file.
#define SHAREDMEM_READ_ONLY 1u
/// The segment stays until it is unlinked or the host boots, not only while anyone is attached.
#define SHAREDMEM_PERSISTENT 2u
/// Does not create a segment that is not there: ENOENT.
#define SHAREDMEM_EXISTING 4u

/// How to attach. Begin with SHAREDMEM_OPTIONS; zero or NULL stands for the default.
typedef struct sharedmem_options_t {
    /// sizeof(sharedmem_options_t), by which versions of this library tell each other's options.
    size_t size;
    /// A directory on a tmpfs; by default SHAREDMEM_DIRECTORY of the environment, or /dev/shm.
    const char *directory;
    /// The most bytes a text can have, fixed when the segment is created. By default an existing one's
    /// own; a new one has SHAREDMEM_CAPACITY of the environment, or 1 MiB. Memory is taken only as used.
    size_t capacity;
    /// SHAREDMEM_READ_ONLY, SHAREDMEM_PERSISTENT, SHAREDMEM_EXISTING, or 0.
    uint32_t flags;
    /// The permissions of a segment that is created, by default 0600.
    uint32_t mode;
    /// Users whose segments are trusted beside the caller's and root's.
    const uid_t *trusted_owners;
    size_t trusted_owner_count;
} sharedmem_options_t;

#define SHAREDMEM_OPTIONS {sizeof(sharedmem_options_t), NULL, 0, 0, 0, NULL, 0}

/// Attaches to a segment, created if need be.
///
/// `name` is 1 to 200 of `A-Z a-z 0-9 . _ -`, not beginning with a dot; NULL is SHAREDMEM_NAME of the
/// environment, or `shared`. `options` may be NULL. Detach every handle before unloading the library.
sharedmem_t *sharedmem_attach(const char *name, const sharedmem_options_t *options);

/// Detaches; the handle is then no more. NULL is nothing to do. Fails with EBUSY, the handle as it was,
/// while a borrow or a reader is open.
int sharedmem_detach(sharedmem_t *segment);

/// Sets the text, `length` bytes of UTF-8 without U+0000; `text` may be NULL if that is 0.
///
/// `version`, if not NULL, receives the new text's version.
int sharedmem_set(sharedmem_t *segment, const char *text, size_t length, sharedmem_version_t *version);

/// Sets the text if its version still is `expected`, in one step; otherwise fails with ESTALE.
///
/// `version`, if not NULL, receives the new text's version, or after ESTALE the present one's. It may be
/// `expected` itself.
int sharedmem_set_if(sharedmem_t *segment, const char *text, size_t length, const sharedmem_version_t *expected,
                     sharedmem_version_t *version);

/// Copies the text into `buffer`, of `size` bytes, and returns the text's length, as snprintf(3) does.
///
/// A text that does not fit, because the result is not less than `size`, is cut between two characters. The
/// buffer always ends with a zero; with `size` 0 nothing is written. `version` may be NULL.
ssize_t sharedmem_get(sharedmem_t *segment, char *buffer, size_t size, sharedmem_version_t *version);

/// The version of the present text.
int sharedmem_version(sharedmem_t *segment, sharedmem_version_t *version);

/// Sleeps until the present version is another than `after`, and gives it; without a `version` to give it to, NULL.
///
///     sharedmem_version_t version = {0};
///     while (sharedmem_wait(segment, version, -1, &version) == 0) … // first for the present text, then for each later
///
/// Whoever sets the text wakes all who wait, within microseconds; a second at most if it was killed or stopped just
/// before that. A handle for reading only, to a segment that only its owner may read, looks every 10 ms instead.
/// `timeout_milliseconds` is as for poll(2): 0 only looks, and a negative one is for ever.
int sharedmem_wait(
    sharedmem_t *segment, sharedmem_version_t after, int timeout_milliseconds, sharedmem_version_t *version);

/// A text read in place.
typedef struct sharedmem_borrow_t {
    /// The shared bytes themselves; NOT ended by a zero.
    const char *text;
    size_t length;
    sharedmem_version_t version;
    /// When the text was set, in nanoseconds since 1970-01-01T00:00:00Z.
    uint64_t publication_time;
    /// The library's own.
    uintptr_t opaque;
} sharedmem_borrow_t;

/// Begins to read in place: a few nanoseconds, whatever the length. What `borrow` receives does not change
/// until it is released; others go on setting meanwhile.
///
/// A segment has 64 places for borrows of all processes together, so release soon. When they are taken, or
/// the handle is for reading only, the text is a copy, made here and freed when released.
int sharedmem_borrow(sharedmem_t *segment, sharedmem_borrow_t *borrow);

/// Ends a borrow, in any thread, and clears `borrow`. One that is clear is nothing to do.
void sharedmem_release(sharedmem_t *segment, sharedmem_borrow_t *borrow);

/// Reads over and over, from one thread at a time.
typedef struct sharedmem_reader sharedmem_reader_t;

/// Takes one of the segment's 64 places for borrows, until it is closed: worth it in a thread that reads all the time.
///
/// Fails with EUSERS when all are taken, and with EROFS for a handle that is for reading only: read without one then.
sharedmem_reader_t *sharedmem_reader_open(sharedmem_t *segment);

/// The text in place, and the fastest way to it: a few nanoseconds, less than half of a borrow's while the text is the
/// one that was read last. NULL if it fails.
///
/// What is returned, and the text it leads to, stay as they are until the next call with this reader. There is nothing
/// to release, so the text that was read last keeps its memory: call sharedmem_reader_rest before a long pause.
const sharedmem_borrow_t *sharedmem_reader_read(sharedmem_reader_t *reader);

/// Lets go of the text that was read last.
void sharedmem_reader_rest(sharedmem_reader_t *reader);

/// Ends it. NULL is nothing to do.
void sharedmem_reader_close(sharedmem_reader_t *reader);

// MARK: Versions as text, the same at every door

/// Bytes that suffice for any version as text, its ending zero included.
#define SHAREDMEM_VERSION_SIZE 38

/// Writes `INSTANCE-NUMBER`: 16 hexadecimal digits and a decimal number. Over HTTP, in quotes, it is the ETag.
void sharedmem_version_format(sharedmem_version_t version, char buffer[SHAREDMEM_VERSION_SIZE]);

/// Reads what sharedmem_version_format writes; anything else is EINVAL.
int sharedmem_version_parse(const char *text, sharedmem_version_t *version);

// MARK: What went wrong

/// What this thread's last failed call failed of, and what to do; "" if none did. Valid until its next call.
const char *sharedmem_last_error(void);

/// What an errno of this library means in general. Valid until this thread's next call.
const char *sharedmem_strerror(int error);

#ifdef __cplusplus
}
#endif

#endif
