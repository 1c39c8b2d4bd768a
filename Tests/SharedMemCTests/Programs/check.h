// Shared by the test programs: checks that end the process, and cases that are chosen by name.

#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE

#include <sharedmem.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);                  \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(name) {#name, name}

/// Runs the case of a name, or prints all names if none is given.
static inline int run_tests(const struct test *tests, size_t count, int argc, char *argv[]) {
    for (size_t i = 0; i < count; i++) {
        if (argc < 2) puts(tests[i].name);
        if (argc >= 2 && strcmp(argv[1], tests[i].name) == 0) {
            tests[i].run();
            return 0;
        }
    }
    return argc < 2 ? 0 : 64;
}

#define MAIN(...)                                                                                                      \
    int main(int argc, char *argv[]) {                                                                                 \
        static const struct test tests[] = {__VA_ARGS__};                                                              \
        return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);                                             \
    }

/// A buffer at the end of a page: writing beyond it crashes.
static inline void *guarded(size_t byte_count) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (byte_count + page - 1) / page * page;
    char *memory = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    CHECK(mprotect(memory + size, page, PROT_NONE) == 0);
    memset(memory, 0x5a, size);
    return memory + size - byte_count;
}

static inline const char *path_of(const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.sharedmem", getenv("SHAREDMEM_DIRECTORY"), name);
    return path;
}

static inline bool exists(const char *name) { return access(path_of(name), F_OK) == 0; }

static inline gid_t group_of(const char *name) {
    struct stat status;
    CHECK(stat(path_of(name), &status) == 0);
    return status.st_gid;
}

/// fork(2), for a child that is killed when the thread that has forked it ends: a child that hangs must not outlive its test.
static inline pid_t fork_bound(void) {
    pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        // The parent may have ended before.
        if (getppid() != parent) _exit(1);
    }
    return child;
}

static inline void end_well(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
