#define _GNU_SOURCE

#include "internal.h"
#include "sharedmem.h"

#include <errno.h>
#include <string.h>

static _Thread_local char last_error[1024];

static size_t whole_characters(const char *text, size_t length, size_t limit) {
    if (length <= limit) return length;
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80) limit--;
    return limit;
}

void sharedmem_internal_fail(int error, const char *text, size_t length) {
    length = whole_characters(text, length, sizeof last_error - 1);
    memcpy(last_error, text, length);
    last_error[length] = 0;
    errno = error;
}

void sharedmem_internal_clear_error(void) { last_error[0] = 0; }

const char *sharedmem_last_error(void) { return last_error; }

const char *sharedmem_strerror(int error) {
    switch (error) {
    case 0: return "Nothing went wrong.";
    case EINVAL:
        return "An argument cannot be: a null handle or pointer, an unknown flag, a name or a "
               "capacity.";
    case EMSGSIZE:
        return "The text is longer than the segment's capacity: shorten it, or create the segment "
               "anew with a larger one.";
    case ERANGE: return "The text is longer than the buffer: give a larger one.";
    case EILSEQ: return "The text is not UTF-8, or contains U+0000: correct it.";
    case ESTALE: return "The text has changed: read it again, then set.";
    case EROFS:
        return "The segment is attached for reading only: attach it with read-write access to set "
               "its text.";
    case EBUSY: return "A borrow or a reader is open: release or close it first.";
    case EAGAIN: return "Others were in the way for a second or longer: try again.";
    case ETIMEDOUT: return "The time to wait is up, and nothing has changed.";
    case EINTR: return "A signal came while waiting, and was handled: wait again.";
    case EIDRM: return "The segment was unlinked, or another took its name: attach anew.";
    case ENOENT:
        return "There is no such segment or directory: set a text to create the one, or name "
               "another.";
    case EEXIST:
        return "The segment exists with another capacity: ask for that or for none, or unlink it "
               "first.";
    case ENOTSUP:
        return "The file in the segment's place is not a segment this version can use: move it away, "
               "or use another name.";
    case EPERM:
        return "The segment belongs to a user who is not trusted: name that user as trusted, or use "
               "another directory.";
    case EOWNERDEAD:
        return "The segment's last process is gone: have its owner or root unlink it, or use another "
               "name.";
    case ENODEV: return "The directory is not on a tmpfs: use one that is, such as /dev/shm.";
    case EREMOTE:
        return "The segment belongs to another kernel or boot: share it between processes of one "
               "kernel only, or unlink it.";
    case EUCLEAN:
        return "The segment is damaged, as something else has written to its file: unlink it and "
               "create it again.";
    case EUSERS:
        return "The segment has as many attachments or readers as it can: end one, or attach for reading "
               "only, and read without a reader.";
    case ENOSPC: return "No memory is left on the tmpfs: free some, or give it a larger size.";
    case EFBIG:
        return "The process may not create a file of this size: raise RLIMIT_FSIZE, or ask for a "
               "smaller capacity.";
    case ESHUTDOWN: return "The process is ending, and the library is unloaded: call it no more.";
    }
    static _Thread_local char text[128];
    return strerror_r(error, text, sizeof text);
}
