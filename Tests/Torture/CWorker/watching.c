#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t last_number;

static void watch_once(sharedmem_t *segment, sharedmem_version_t *known) {
    sharedmem_version_t next, version;
    uint64_t start = now();
    int result = sharedmem_wait(segment, *known, -1, &next);
    if (result != 0 && errno == EINTR) return;
    expect(result == 0, "wait");
    ssize_t length = sharedmem_get(segment, text, sizeof text, &version);
    if (length < 0 && errno == EAGAIN) return;
    expect(length >= 0 && version.number >= next.number, "get");
    record(WATCH, start, version, text, (size_t)length, known->instance ? known : NULL);
    *known = version;
    __atomic_store_n(&last_number, version.number, __ATOMIC_RELEASE);
}

static void *watch(void *segment) {
    sharedmem_version_t known = {0, 0};
    while (1) watch_once(segment, &known);
    return NULL;
}

void watch_until_told(sharedmem_t *segment) {
    pthread_t thread;
    expect(pthread_create(&thread, NULL, watch, segment) == 0, "pthread_create");
    char line[SHAREDMEM_VERSION_SIZE + 1];
    sharedmem_version_t last;
    if (!fgets(line, sizeof line, stdin)) exit(0);
    line[strcspn(line, "\n")] = 0;
    expect(sharedmem_version_parse(line, &last) == 0, "the last version");
    // Recorder.patience in Swift.
    uint64_t deadline = now() + 4000000000;
    while (__atomic_load_n(&last_number, __ATOMIC_ACQUIRE) != last.number && now() < deadline) usleep(1000);
    last.number = __atomic_load_n(&last_number, __ATOMIC_ACQUIRE);
    record_end(last);
    exit(0);
}

/// The version that a process is given was current when the process before it had recorded its own, or is newer.
void be_told(const char *path) {
    uint64_t before[RECORD_WORDS] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    off_t end = lseek(file, 0, SEEK_END);
    int is_first = end < (off_t)sizeof before;
    expect(is_first || pread(file, before, sizeof before, end - (off_t)sizeof before) == sizeof before, "the history");
    sharedmem_version_t known = {before[4], before[5]}, version;
    expect(sharedmem_version_parse(getenv("SHAREDMEM_VERSION"), &version) == 0, "the version");
    size_t length = fread(text, 1, sizeof text, stdin);
    record(WATCH, before[3], version, text, length, is_first ? NULL : &known);
    usleep(random_number() % 40000);
}
