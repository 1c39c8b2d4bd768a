#define _GNU_SOURCE

#include "internal.h"
#include "sharedmem.h"

#include <errno.h>
#include <string.h>

static _Thread_local char last_error[1024];

void sharedmem_internal_fail(int error, const char *text, size_t length) {
    if (length >= sizeof last_error) {
        // Cut between two characters.
        length = sizeof last_error - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) length--;
    }
    memcpy(last_error, text, length);
    last_error[length] = 0;
    errno = error;
}

void sharedmem_internal_clear_error(void) { last_error[0] = 0; }

const char *sharedmem_last_error(void) { return last_error; }

const char *sharedmem_strerror(int error) {
    switch (error) {
    case 0: return "No error.";
    case EINVAL: return "An argument is invalid, such as a null pointer, a flag, a name or a capacity: correct it.";
    case EMSGSIZE: return "The text is longer than the segment's capacity: shorten it, or create the segment again "
                          "with a larger capacity.";
    case ERANGE: return "The text is longer than the buffer: use a larger one.";
    case EILSEQ: return "The text is not UTF-8, or contains U+0000: correct it.";
    case ESTALE: return "The text has changed: read it again, then set it.";
    case EROFS: return "The segment is attached read-only: attach it with write access to set its text.";
    case EREMOTEIO: return "The segment is replicated: set the text through the server that replicates it.";
    case EBUSY: return "A borrow or a reader is open: release or close it first.";
    case EAGAIN: return "The segment stayed busy: try again.";
    case ETIMEDOUT: return "The text did not change within the timeout: wait again, or for longer.";
    case EINTR: return "This thread handled a signal while it was waiting: wait again.";
    case EIDRM: return "The segment was unlinked, or another file has its name: attach again.";
    case ENOENT: return "The segment or the directory does not exist: set its text to create the segment, or name "
                        "another directory.";
    case EEXIST: return "The segment exists with another capacity, or with another mode that the caller may not change: "
                        "ask for that one, ask for none, or unlink the segment first.";
    case ENOTSUP: return "The name leads to a file that is not a segment this version can use: move the file away, or "
                         "use another name.";
    case EPERM: return "The caller does not trust the owner of the segment's file: name the owner in "
                       "SHAREDMEM_TRUST_OWNER, or use another directory.";
    case EOWNERDEAD: return "The segment's last process is gone: have its owner or root unlink it, or use another "
                            "name.";
    case ENODEV: return "The directory is not on a tmpfs: use one that is, such as /dev/shm.";
    case EREMOTE: return "The segment belongs to another kernel or boot: share it only between processes of one "
                         "kernel, or unlink it.";
    case EUCLEAN: return "The segment is damaged, as another program has written to its file: unlink it and create it "
                         "again.";
    case EBADF: return "The program has closed a file descriptor that belongs to this library: attach again, and close "
                       "only descriptors that you have opened.";
    case ENOSPC: return "No memory is left on the tmpfs: free some, or give it a larger size.";
    case EFBIG: return "The process is not allowed to create a file of this size: raise RLIMIT_FSIZE, or ask for a "
                       "smaller capacity.";
    case ESHUTDOWN: return "The process is exiting, and the library is already unloaded: do not call it any more.";
    }
    static _Thread_local char text[128];
    return strerror_r(error, text, sizeof text);
}
