// sharedmem: named text in shared memory, which every process on the host can read and set.
//
//     sharedmem_t *segment = sharedmem_attach("shared", NULL);
//     if (!segment || sharedmem_set(segment, "Esta es una cadena de prueba", 28, NULL) != 0)
//         fprintf(stderr, "%s\n", sharedmem_last_error());
//
// Link with -lSharedMem. Lengths and capacities are in bytes of UTF-8, except where a function says characters.
//
// THREADS. Any thread may call any function at any time, on any handle, with two exceptions: sharedmem_detach must
// be the last call on its handle, and a sharedmem_reader_t serves one thread at a time. Do not call the library from
// a signal handler. No call waits for an attached process that was stopped or killed. A thread needs 12 KiB of stack,
// and the thread that loads the library needs 32 KiB.
//
// FORK. A forked child may go on using its parent's handles. Its first call on a handle attaches the child, and can
// fail with any error of sharedmem_attach. A child that lacks its parent's rights, for instance after setuid(2), can
// still read. If the child detaches a handle, it detaches only itself. A borrow that was open at the fork belongs to
// the parent. Forking is not supported while another thread calls a function of this library for the first time in
// the process, because the Swift runtime then initializes itself under locks of its own.
//
// ERRORS. A function that fails returns -1, or NULL if it returns a pointer, and leaves the text as it was (only
// SetSharedMem sets what it can of a bad string). It sets errno, and sharedmem_last_error() then says in a sentence
// what happened and what to do. A function that succeeds leaves errno as it was. Each function below lists the errors
// it can return. In general, they mean:
//
//     EINVAL     an argument is invalid, such as a null pointer, a flag, a name or a capacity; or an environment
//                variable of this library is invalid
//     EMSGSIZE   the text is longer than the segment's capacity
//     EILSEQ     the text is not UTF-8, or contains U+0000
//     ERANGE     the text did not fit the buffer
//     ESTALE     the text has changed since the expected version
//     EROFS      the handle is read-only
//     EREMOTEIO  the segment is replicated: set the text through the server that replicates it
//     EBUSY      a borrow or a reader is still open
//     EAGAIN     the segment stayed busy; try again
//     ETIMEDOUT  the timeout expired
//     EINTR      this thread handled a signal while it was waiting
//     EIDRM      the segment was unlinked, or another file has its name: attach again, unless the process is exiting
//     ENOENT     the segment or the directory does not exist, or only a file that killed processes left behind
//     EEXIST     the segment exists with another capacity, or with another mode or group that the caller may not change
//     ENOTSUP    the file at the segment's path is not a segment that this version of the library can use
//     EPERM      the caller does not trust the owner of the file, or is not a member of the group
//     EOWNERDEAD the segment's last process has ended, and only the file's owner or root can remove the file
//     ENODEV     the directory is not on a tmpfs, so the text would not be in memory
//     EREMOTE    the segment belongs to another kernel, whose locks are not visible here
//     EUCLEAN    the segment is damaged: another program has written to its file
//     EBADF      the program has closed a descriptor of this library's; attach again
//     ENOSPC     the tmpfs is full
//     EFBIG      the process may not create a file of this size (RLIMIT_FSIZE)
//     ESHUTDOWN  the process is exiting, and the library is already unloaded
//
// Any other errno comes from the operating system: EACCES, EMFILE, ENOMEM and so on.

#ifndef SHAREDMEM_H
#define SHAREDMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <wchar.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: The library's own segment
//
// The library attaches to one segment when it is loaded, if that segment exists, and detaches when it is unloaded. If it
// does not exist, the first call to SetSharedMem or GetSharedMem creates it. By default, this is `shared` in /dev/shm
// with a capacity of 1 MiB. The environment variables SHAREDMEM_NAME, SHAREDMEM_DIRECTORY and SHAREDMEM_CAPACITY change
// that, except in a process with more privileges than its caller, such as a set-user-ID program. If the segment belongs to
// another user, SHAREDMEM_TRUST_OWNER must name that user (see the options below). The first process to attach finds the
// text empty. The segment is gone when the last process has ended or unloaded the library.
//
// If attaching fails, the process goes on, and each call to SetSharedMem or GetSharedMem tries again. They return
// nothing, so check sharedmem_last_error(): after a call without errors it is "", and after any other, errno is set as
// well. Both can fail with the errors of sharedmem_attach. A thread that first calls them while the process exits gets
// ESHUTDOWN.

/// Sets the text to the characters of `text` before its terminating zero.
///
/// Errors:
///     EINVAL     `text` is NULL
///     EMSGSIZE   the text was longer than the capacity: as many characters as fit were set
///     EILSEQ     the text had invalid characters (surrogates, or beyond 0x10FFFF): each was set as U+FFFD
///     EAGAIN, ENOSPC, EUCLEAN   as for sharedmem_set
void SetSharedMem(const wchar_t *text);

/// Copies the text into `buffer`, cut to `count` - 1 characters, and terminates it with a zero.
///
/// `buffer` has room for `count` characters. If `count` is 0, nothing is written. If the text cannot be read, the
/// buffer receives an empty string.
///
/// Errors:
///     EINVAL     `buffer` is NULL and `count` is not 0
///     ERANGE     the text was longer than the buffer
///     EAGAIN, EUCLEAN   as for sharedmem_get
void GetSharedMem(wchar_t *buffer, uint32_t count);

// MARK: Any segment

/// A handle of a segment. A process has one for each segment and kind of access, however often it attaches.
typedef struct sharedmem sharedmem_t;

/// A version of a segment's text. Only numbers of the same instance can be compared.
typedef struct sharedmem_version_t {
    /// A random number, drawn when the segment was created.
    uint64_t instance;
    /// How often the text has been set; 0 for the empty text of a new segment.
    uint64_t number;
} sharedmem_version_t;

/// The handle only reads: it creates nothing, and needs no write permission for the segment's file.
#define SHAREDMEM_READ_ONLY 1u
/// The segment stays until it is unlinked or the host reboots, even while no process is attached.
#define SHAREDMEM_PERSISTENT 2u
/// The segment is not created: if it does not exist, sharedmem_attach fails with ENOENT.
#define SHAREDMEM_EXISTING 4u

/// How to attach. Initialize it with SHAREDMEM_OPTIONS. Zero or NULL in a field stands for the default.
typedef struct sharedmem_options_t {
    /// sizeof(sharedmem_options_t), by which the library recognizes options from another version of this header.
    size_t size;
    /// A directory on a tmpfs. By default, the environment variable SHAREDMEM_DIRECTORY, or /dev/shm.
    const char *directory;
    /// The longest text that the segment can hold, in bytes from 1 to 1 GiB, fixed when the segment is created. By
    /// default, the capacity of the existing segment; a new segment gets the environment variable SHAREDMEM_CAPACITY,
    /// or 1 MiB. The segment takes memory only as it uses it.
    size_t capacity;
    /// Any of SHAREDMEM_READ_ONLY, SHAREDMEM_PERSISTENT and SHAREDMEM_EXISTING.
    uint32_t flags;
    /// The permissions of the segment's file. By default, 0600 for a new segment, and an existing one keeps its own. If an
    /// existing segment has others than these, they are changed, which only its owner and root may do.
    uint32_t mode;
    /// Users whose segments the caller trusts, in addition to its own and root's, and to those that the environment
    /// variable SHAREDMEM_TRUST_OWNER names: names or numbers of users, and of groups after an @ for all of their members,
    /// separated by commas.
    const uid_t *trusted_owners;
    size_t trusted_owner_count;
    /// How many processes can read a new segment in place and keep a place to set it from, 2 to 16,384; by default,
    /// 1,024. Any number of processes can use a segment: those beyond this number read copies, and take turns to set.
    uint32_t row_count;
    /// How many borrows and readers of a new segment can read in place at a time, 1 to 16,384; by default, 1,024.
    uint32_t pin_count;
    /// The group of the segment's file, by name or number, for a mode that lets the group in; the caller must be a member,
    /// or root. By default, the system chooses the group of a new segment, and an existing one keeps its own. If an
    /// existing segment has another group than this, it is changed, which only its owner and root may do.
    const char *group;
} sharedmem_options_t;

#define SHAREDMEM_OPTIONS {sizeof(sharedmem_options_t), NULL, 0, 0, 0, NULL, 0, 0, 0, NULL}

/// Attaches to a segment, and creates it if it does not exist.
///
/// `name` is 1 to 200 of `A-Z a-z 0-9 . _ -` and does not begin with a dot. NULL stands for the environment variable
/// SHAREDMEM_NAME, or `shared`. `options` may be NULL. Returns a handle, which the caller must detach before it
/// unloads the library. A process that attaches to a segment again gets the same handle, and must detach it as often;
/// it takes nothing more from the segment.
///
/// Errors:
///     EINVAL     the name, an option or an environment variable is invalid
///     ENOENT     the segment does not exist, and a flag says not to create it; or the directory does not exist
///     EEXIST     the segment exists, and its capacity is not `options->capacity`; or its mode or its group is not that of
///                the options, and the caller may not change it
///     EACCES     the permissions of the directory or the file deny access
///     EPERM      the caller does not trust the owner of the file, or is not a member of `options->group`
///     EOWNERDEAD, ENODEV, ENOTSUP, EREMOTE   the file or its directory cannot be used: see the list above
///     ENOSPC, EFBIG, EMFILE, ENOMEM   there is no memory, or a limit of the process is reached
///     EAGAIN     other processes kept attaching or detaching for a second
sharedmem_t *sharedmem_attach(const char *name, const sharedmem_options_t *options);

/// Attaches as sharedmem_attach does, for languages to which a structure of options is a burden.
///
/// NULL or 0 stands for the default of `name`, `directory` or `capacity`; `flags` are those of the options.
///
/// Errors: those of sharedmem_attach
sharedmem_t *sharedmem_attach_simple(const char *name, const char *directory, size_t capacity, uint32_t flags);

/// Detaches from the segment, and frees the handle if it is detached as often as it was attached. If `segment` is NULL,
/// it does nothing. Returns 0.
///
/// Errors:
///     EBUSY      a borrow or a reader of this handle is open. The handle stays valid
int sharedmem_detach(sharedmem_t *segment);

/// Returns the most bytes that the text can have.
///
/// Errors:
///     EINVAL     `segment` is NULL
ssize_t sharedmem_capacity(sharedmem_t *segment);

/// Sets the text to `length` bytes of UTF-8 without U+0000, and returns 0.
///
/// `text` may be NULL if `length` is 0. If `version` is not NULL, it receives the new version. Readers never wait
/// for a writer; the threads of one process that set through the same handle take turns.
///
/// Errors:
///     EINVAL     `segment` is NULL, or `text` is NULL and `length` is not 0
///     EMSGSIZE   the text is longer than the segment's capacity
///     EILSEQ     the text is not UTF-8, or contains U+0000. sharedmem_last_error() gives the offset
///     EROFS      the handle is read-only
///     EREMOTEIO  the segment is replicated. sharedmem_last_error() says where to set the text
///     ENOSPC     the tmpfs is full
///     EAGAIN     all of the segment's slots for new text stayed in use, or living processes held all rows for ten seconds
///     EUCLEAN    the segment is damaged
int sharedmem_set(sharedmem_t *segment, const char *text, size_t length, sharedmem_version_t *version);

/// Sets the text only if its version is still `expected`, in one atomic step, and returns 0.
///
/// If `version` is not NULL, it receives the new version or, with ESTALE, the current one. It may point to `expected`.
///
/// Errors: those of sharedmem_set, and
///     EINVAL     `expected` is NULL
///     ESTALE     the version is no longer `expected`
int sharedmem_set_if(sharedmem_t *segment, const char *text, size_t length, const sharedmem_version_t *expected,
                     sharedmem_version_t *version);

/// Copies the text into `buffer`, of `size` bytes, and returns the whole text's length, as snprintf(3) does.
///
/// If the result is not less than `size`, the copy was cut, always between two characters. The copy ends with a
/// zero; if `size` is 0, nothing is written. If `version` is not NULL, it receives the version of the text.
///
/// Errors:
///     EINVAL     `segment` is NULL, or `buffer` is NULL and `size` is not 0
///     EAGAIN     writers overtook the copy again and again; only for a read-only handle, or if all pins are taken
///                (see sharedmem_borrow)
///     EUCLEAN    the segment is damaged
ssize_t sharedmem_get(sharedmem_t *segment, char *buffer, size_t size, sharedmem_version_t *version);

/// Returns a copy of the text, terminated by a zero, which the caller must free with sharedmem_free.
///
/// `length` and `version` receive those of the text, unless they are NULL.
///
/// Errors: those of sharedmem_get, and
///     ENOMEM     there is no memory for the copy
char *sharedmem_get_alloc(sharedmem_t *segment, size_t *length, sharedmem_version_t *version);

/// Frees what sharedmem_get_alloc has returned. If `text` is NULL, it does nothing.
void sharedmem_free(char *text);

/// Stores the current version in `version`, and returns 0.
///
/// Errors:
///     EINVAL     `segment` or `version` is NULL
int sharedmem_version(sharedmem_t *segment, sharedmem_version_t *version);

/// Blocks the calling thread until the current version differs from `after`, and returns 0.
///
///     sharedmem_version_t version = {0};
///     while (sharedmem_wait(segment, version, -1, &version) == 0) { // first for the current text, then each change
///         char *text = sharedmem_get_alloc(segment, NULL, &version);
///         if (text) puts(text);
///         sharedmem_free(text);
///     }
///
/// If `version` is not NULL, it receives the current version. If `timeout_milliseconds` is 0, the call only checks; if
/// it is negative, there is no timeout. A writer wakes all waiters within microseconds of a change. If the writer was
/// killed or stopped just before that, they notice within a second. A read-only handle to a segment that only its
/// owner can read checks every 10 ms instead.
///
/// Errors:
///     EINVAL     `segment` is NULL
///     ETIMEDOUT  the version was still `after` when the timeout expired
///     EINTR      this thread handled a signal. Call it again
///     EIDRM      the segment was unlinked, or another file has its name; it is noticed within a second
int sharedmem_wait(
    sharedmem_t *segment, sharedmem_version_t after, int timeout_milliseconds, sharedmem_version_t *version);

/// Does what sharedmem_wait does, for languages that cannot pass a structure by value.
int sharedmem_wait_after(sharedmem_t *segment, uint64_t instance, uint64_t number, int timeout_milliseconds,
                         sharedmem_version_t *version);

/// Returns a descriptor that becomes readable when the text changes, for an event loop: poll(2), epoll(7), libuv, asyncio.
///
/// It is an eventfd(2), readable at first. Whenever it is readable, read its 8 bytes, and then the text. When the segment
/// is unlinked, it becomes readable for the last time; sharedmem_wait then fails with EIDRM. Each call returns the same
/// descriptor. It belongs to the handle, so do not close it. A forked child gets a descriptor of its own.
///
/// Errors:
///     EINVAL     `segment` is NULL
///     EMFILE, ENFILE, ENOMEM, EAGAIN   there is no descriptor, memory or thread left
int sharedmem_eventfd(sharedmem_t *segment);

/// Text that is read in place.
typedef struct sharedmem_borrow_t {
    /// The shared bytes themselves, NOT terminated by a zero.
    const char *text;
    size_t length;
    sharedmem_version_t version;
    /// When the text was set, in nanoseconds since 1970-01-01T00:00:00Z.
    uint64_t publication_time;
    /// For the library only.
    uintptr_t opaque;
} sharedmem_borrow_t;

/// Begins to read the text in place, and returns 0. It takes a few nanoseconds, whatever the length.
///
/// The text that `borrow` receives does not change until the borrow is released. Writers can set other text meanwhile.
/// A borrow holds one of the segment's pins, which the borrows and readers of all processes share, so release it soon.
/// If all pins or rows are taken, or the handle is read-only, the text is a copy, which sharedmem_release frees.
///
/// Errors:
///     EINVAL     `segment` or `borrow` is NULL
///     EAGAIN, EUCLEAN   as for sharedmem_get
int sharedmem_borrow(sharedmem_t *segment, sharedmem_borrow_t *borrow);

/// Ends a borrow, from any thread, and clears `*borrow`. If it is already clear, or NULL, it does nothing. Returns 0.
///
/// Errors:
///     EINVAL     the borrow is not one of this handle in this process: a forked child cannot release what its parent has
///                borrowed. `*borrow` is cleared nevertheless
int sharedmem_release(sharedmem_t *segment, sharedmem_borrow_t *borrow);

/// A reader: reads the same segment again and again, in one thread at a time.
typedef struct sharedmem_reader sharedmem_reader_t;

/// Opens a reader, which holds one of the segment's pins from its first read on until it is closed.
///
/// A reader is worth its pin in a thread that reads constantly. If all pins or rows are taken, or the handle is read-only,
/// the reader copies each version once.
///
/// Errors:
///     EINVAL     `segment` is NULL
sharedmem_reader_t *sharedmem_reader_open(sharedmem_t *segment);

/// Reads the text. This is the fastest way to read: if the text has not changed since the last read, it takes less than
/// half as long as a borrow.
///
/// The result and its text stay valid until the next call with this reader, and there is nothing to release. Until
/// then, the reader also keeps the memory of that text in use: before a long pause, call sharedmem_reader_unpin.
///
/// Errors:
///     EINVAL     `reader` is NULL
///     EAGAIN     writers overtook the copy again and again; only for a reader without a pin
///     EUCLEAN    the segment is damaged
const sharedmem_borrow_t *sharedmem_reader_read(sharedmem_reader_t *reader);

/// Gives up the text that was read last, so that the segment can use its memory again. The reader stays open.
void sharedmem_reader_unpin(sharedmem_reader_t *reader);

/// Closes a reader. If `reader` is NULL, it does nothing.
void sharedmem_reader_close(sharedmem_reader_t *reader);

// MARK: Inspecting and removing

/// What sharedmem_info finds out about a segment.
typedef struct sharedmem_info_t {
    /// The most bytes that the text can have.
    size_t capacity;
    /// The number of bytes that the text has.
    size_t length;
    sharedmem_version_t version;
    /// When the text was set, and when the segment was created, in nanoseconds since 1970-01-01T00:00:00Z.
    uint64_t publication_time, creation_time;
    /// The bytes of memory behind the segment's file.
    size_t memory;
    /// SHAREDMEM_PERSISTENT, or 0.
    uint32_t flags;
    /// The permissions and the owner of the file.
    uint32_t mode, owner;
    /// How many pins living processes hold, and how many there are.
    uint32_t pins, pin_count;
    /// How many processes have a row, because they have read in place or set the text, and how many rows there are.
    uint32_t rows, row_count;
    /// How many attachments there are, one for each process and kind of access; 0 if /proc/locks does not say.
    uint32_t attachments;
    /// The process that set the text, as it described itself: its id in its own PID namespace, its effective user id, and
    /// its program, cut to 16 bytes. All zeros for the empty text of a new segment.
    uint32_t setter_process, setter_user;
    char setter_program[17];
} sharedmem_info_t;

/// Describes a segment without attaching to it, and returns 0. It creates nothing, and needs no permission to write. Root
/// need not trust the owner.
///
/// Of `options`, which may be NULL, it uses the directory and the trusted owners.
///
/// Errors:
///     EINVAL     the name, an option or an environment variable is invalid, or `info` is NULL
///     ENOENT     the segment does not exist
///     EACCES, EPERM, ENODEV, ENOTSUP, EREMOTE   the file cannot be used: see the list above
int sharedmem_info(const char *name, const sharedmem_options_t *options, sharedmem_info_t *info);

/// Writes the names of the segments in a directory into `buffer`, each followed by a line feed, and returns the length
/// of the whole list, as sharedmem_get does. If `directory` is NULL, it is the default one.
///
/// Errors:
///     EINVAL     `buffer` is NULL and `size` is not 0
///     ENOENT, EACCES   the directory cannot be read
ssize_t sharedmem_list(const char *directory, char *buffer, size_t size);

/// Removes a segment's name, and returns 0. Attached processes keep the segment, and learn that it is unlinked. The next
/// process that attaches creates a new one. Root need not trust the owner.
///
/// Of `options`, which may be NULL, it uses the directory and the trusted owners.
///
/// Errors:
///     EINVAL     `name` is NULL or invalid, or an option is invalid
///     ENOENT     the segment does not exist
///     EACCES, EPERM, ENODEV, ENOTSUP   the file cannot be removed: see the list above
///     EAGAIN     other processes kept unlinking it for a second
int sharedmem_unlink(const char *name, const sharedmem_options_t *options);

// MARK: Versions as strings, the same in every interface

/// The size of a buffer that holds any version as a string, with its terminating zero.
#define SHAREDMEM_VERSION_SIZE 38

/// Writes a version as `INSTANCE-NUMBER`: 16 hexadecimal digits and a decimal number. HTTP sends it in quotes, as ETag.
void sharedmem_version_format(sharedmem_version_t version, char buffer[SHAREDMEM_VERSION_SIZE]);

/// Reads a version from a string as sharedmem_version_format writes it, and returns 0.
///
/// Errors:
///     EINVAL     `text` is not such a string, or a pointer is NULL
int sharedmem_version_parse(const char *text, sharedmem_version_t *version);

// MARK: Error messages

/// Returns what went wrong in this thread's last failed call, and what to do about it; "" if no call has failed.
///
/// The string is valid until this thread's next call to the library.
const char *sharedmem_last_error(void);

/// Returns what an errno of this library means in general. The string is valid until this thread's next call.
const char *sharedmem_strerror(int error);

#ifdef __cplusplus
}
#endif

#endif
