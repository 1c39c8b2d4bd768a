// Has one thread set while another reads, in a process that has no row until another process gives one up: the process must
// not keep the row that it took for one set only.
//
//     borrowed_row DIRECTORY
//
// It fails if the process reads in place without a row that other processes see.

#define _GNU_SOURCE

#include "crowd.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAPACITY = 8 << 20, ROUNDS = 20 };

static sharedmem_t *segment;
static char *text;
static _Atomic int is_over;

static _Noreturn void stop(void) {
    fprintf(stderr, "borrowed_row: %s\n", sharedmem_last_error());
    exit(1);
}

static sharedmem_t *attach_small(const char *directory) {
    sharedmem_options_t options = options_in(directory);
    options.capacity = CAPACITY;
    options.row_count = 2; // one of which is reserved
    options.pin_count = 8;
    sharedmem_t *attached = sharedmem_attach(SEGMENT, &options);
    if (!attached) stop();
    return attached;
}

static void *set_all_the_time(void *unused) {
    while (!is_over)
        if (sharedmem_set(segment, text, CAPACITY, NULL) != 0) stop();
    return unused;
}

/// Returns whether the process had a row at the end.
static int run(const char *directory) {
    int ends[2];
    if (pipe(ends) != 0) stop();
    char byte = 0;
    pid_t other = fork();
    if (other == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sharedmem_t *own = attach_small(directory);
        if (sharedmem_set(own, "text", 4, NULL) != 0 || write(ends[1], &byte, 1) != 1) _exit(1);
        pause_milliseconds(150);
        _exit(0);
    }
    if (read(ends[0], &byte, 1) != 1) stop();
    segment = attach_small(directory);
    is_over = 0;
    pthread_t setter;
    pthread_create(&setter, NULL, set_all_the_time, NULL);
    for (uint64_t end = nanoseconds() + 500000000; nanoseconds() < end;) {
        sharedmem_borrow_t borrow;
        if (sharedmem_borrow(segment, &borrow) != 0) {
            pause_milliseconds(1);
            continue;
        }
        sharedmem_release(segment, &borrow);
    }
    is_over = 1;
    pthread_join(setter, NULL);
    close(ends[0]);
    close(ends[1]);
    waitpid(other, NULL, 0);
    sharedmem_borrow_t borrow;
    if (sharedmem_borrow(segment, &borrow) != 0) stop();
    int is_in_place = borrow.opaque % 2 == 0; // an odd one is a copy
    sharedmem_options_t options = options_in(directory);
    sharedmem_info_t info;
    if (sharedmem_info(SEGMENT, &options, &info) != 0) stop();
    sharedmem_release(segment, &borrow);
    sharedmem_detach(segment);
    return !is_in_place || info.rows == 1;
}

int main(int argc, char *argv[]) {
    if (argc != 2) return 64;
    alarm(120);
    text = malloc(CAPACITY);
    memset(text, 'x', CAPACITY);
    int good = 0;
    for (int round = 0; round < ROUNDS; round++) good += run(argv[1]);
    printf("  a process took a row that another gave up, in the middle of a set: %d of %d times rightly\n", good, ROUNDS);
    return good != ROUNDS;
}
