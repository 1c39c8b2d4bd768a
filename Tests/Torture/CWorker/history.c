#include "worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int file;
static enum interface interface;

void expect(int condition, const char *description) {
    if (condition) return;
    fprintf(stderr, "worker-c: %s: %s\n", description, sharedmem_last_error());
    exit(1);
}

uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void open_history(const char *path, enum interface through) {
    file = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    interface = through;
}

static void append(enum operation operation, uint64_t start, uint64_t end, sharedmem_version_t version, int whole,
                   uint64_t digest, const sharedmem_version_t *replaced) {
    uint64_t words[RECORD_WORDS] = {
        (uint64_t)operation | (uint64_t)interface << 8 | (uint64_t)getpid() << 32,
        (uint64_t)whole | (replaced ? 2 : 0),
        start, end, version.instance, version.number, digest, replaced ? replaced->number : 0,
    };
    expect(write(file, words, sizeof words) == sizeof words, "cannot write the history");
}

void record(enum operation operation, uint64_t start, sharedmem_version_t version, const char *text, size_t length,
            const sharedmem_version_t *replaced) {
    uint64_t end = now(), digest;
    int whole = is_whole(text, length, &digest);
    append(operation, start, end, version, whole, digest, replaced);
}

void record_end(sharedmem_version_t last) {
    uint64_t end = now();
    append(ENDED, end, end, last, 0, 0, NULL);
}
