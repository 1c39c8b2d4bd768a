#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

size_t clinux_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/// Maps memory, gives the kernel each piece of advice, and only then makes the memory accessible; on failure, undoes all.
static int map(int descriptor, size_t byte_count, int protection, int flags, const int *advice, void **address) {
    void *mapped = mmap(NULL, byte_count, PROT_NONE, flags, descriptor, 0);
    if (mapped == MAP_FAILED) return -errno;
    // After mlockall(MCL_FUTURE), the kernel would fill a mapping with memory as soon as it is accessible.
    int failed = munlock(mapped, byte_count);
    for (; !failed && *advice; advice++) failed = madvise(mapped, byte_count, *advice);
    if (!failed) failed = mprotect(mapped, byte_count, protection);
    if (failed) {
        int error = errno;
        munmap(mapped, byte_count);
        return -error;
    }
    *address = mapped;
    return 0;
}

int clinux_map_shared(int descriptor, size_t byte_count, bool writable, void **address) {
    // A core dump would fault in, and so allocate, every hole of a sparse file.
    static const int advice[] = {MADV_DONTFORK, MADV_DONTDUMP, 0};
    int protection = PROT_READ | (writable ? PROT_WRITE : 0);
    return map(descriptor, byte_count, protection, MAP_SHARED | MAP_NORESERVE, advice, address);
}

int clinux_map_wiped_on_fork(void **address) {
    static const int advice[] = {MADV_WIPEONFORK, 0};
    return map(-1, clinux_page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, advice, address);
}
