// Measures sharedmem_set beside idle readers, each in a process of its own.
//
//     set_cost DIRECTORY READERS same|scattered
//
// With `same`, all readers have read the same text; with `scattered`, each has read another one, so that each holds a slot.
// It prints the median of the time of one set, in microseconds, for each of seven runs of 2,000 sets.

#define _GNU_SOURCE

#include "crowd.h"
#include "text.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 7, SETS = 2000, SECONDS = 120 };

static int compare(const void *one, const void *other) {
    uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;
    return (left > right) - (left < right);
}

static void set(sharedmem_t *segment, unsigned number) {
    char text[64];
    if (sharedmem_set(segment, text, (size_t)snprintf(text, sizeof text, "%058u", number), NULL) == 0) return;
    fprintf(stderr, "set_cost: %s\n", sharedmem_last_error());
    exit(1);
}

static pid_t start_reader(sharedmem_t *segment, pid_t parent) {
    int ends[2];
    char byte = 0;
    if (pipe(ends) != 0) exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
        alarm(SECONDS);
        sharedmem_reader_t *reader = sharedmem_reader_open(segment);
        byte = reader && sharedmem_reader_read(reader) ? 'r' : 'e';
        if (write(ends[1], &byte, 1) == 1)
            while (1) pause();
        _exit(1);
    }
    close(ends[1]);
    if (pid < 0 || read(ends[0], &byte, 1) != 1 || byte != 'r') {
        fprintf(stderr, "set_cost: a reader failed\n");
        exit(1);
    }
    close(ends[0]);
    return pid;
}

int main(int argc, char *argv[]) {
    if (argc != 4) return 64;
    alarm(SECONDS);
    long count = strtol(argv[2], NULL, 10);
    int is_scattered = strcmp(argv[3], "scattered") == 0;
    sharedmem_t *segment = attach(argv[1]);
    if (!segment) {
        fprintf(stderr, "set_cost: %s\n", sharedmem_last_error());
        return 1;
    }
    set(segment, 0);
    pid_t readers[count + 1];
    for (long index = 0; index < count; index++) {
        readers[index] = start_reader(segment, getpid());
        if (is_scattered) set(segment, (unsigned)index);
    }
    static uint64_t times[SETS], medians[RUNS];
    for (int run = 0; run < RUNS; run++) {
        for (unsigned number = 0; number < SETS; number++) {
            uint64_t start = nanoseconds();
            set(segment, number);
            times[number] = nanoseconds() - start;
        }
        qsort(times, SETS, sizeof *times, compare);
        medians[run] = times[SETS / 2];
    }
    qsort(medians, RUNS, sizeof *medians, compare);
    printf("%ld %s %.2f %.2f %.2f\n", count, argv[3], (double)medians[0] / 1e3, (double)medians[RUNS / 2] / 1e3,
           (double)medians[RUNS - 1] / 1e3);
    for (long index = 0; index < count; index++) kill(readers[index], SIGKILL);
    while (wait(NULL) > 0) {}
    return 0;
}
