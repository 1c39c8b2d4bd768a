#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int result(int value) { return value < 0 ? -errno : value; }

int clinux_link_unnamed(int descriptor, const char *path) {
    // Linking by the descriptor alone needs a capability or a recent kernel; linking through /proc needs /proc.
    if (linkat(descriptor, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0) return 0;
    if (errno == EEXIST) return -EEXIST;
    char link[sizeof "/proc/self/fd/" + 3 * sizeof descriptor];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    return result(linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
}

int clinux_rename_new(const char *from, const char *to) {
    return result(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
}

int clinux_reserve(int descriptor, int64_t offset, int64_t byte_count) {
    return result(fallocate(descriptor, FALLOC_FL_KEEP_SIZE, offset, byte_count));
}

int clinux_punch(int descriptor, int64_t offset, int64_t byte_count) {
    return result(fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, byte_count));
}

int clinux_lock(int descriptor, int type, int64_t byte) {
    struct flock range = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(descriptor, F_OFD_SETLK, &range) == 0) return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -errno;
}

int clinux_lock_elsewhere(int descriptor, int64_t byte) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(descriptor, F_OFD_GETLK, &range) < 0) return -errno;
    return range.l_type == F_UNLCK ? 0 : range.l_type == F_RDLCK ? 1 : 2;
}
