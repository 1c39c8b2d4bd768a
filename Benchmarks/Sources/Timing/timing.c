//   PROGRAM PEER read|write|attach|arrive DIRECTORY [--bytes N] [--workers N] [--milliseconds N] [--publish N]
//   PROGRAM PEER read|write|attach DIRECTORY --count N      N times, untimed, for callgrind
//
// Prints the nanoseconds for each operation of all workers together: two workers that do not hinder each other take half
// as long as one. A worker is a process on a core of its own, as far as there are enough cores. It works in pieces of
// about 100 µs, and the median of the pieces counts, because the machine's other work disturbs only a few of them. If
// workers share a core, the mean counts, because taking turns is part of the work.
//
// `attach` attaches and detaches. `arrive` starts a new process that attaches, sets and detaches; the median counts.
// With --publish, another process sets the text N times a second, and the second number printed is the rate it reached.

#define _GNU_SOURCE
#include "timing.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most_workers = 256, arrivals = 200, most_pieces = 1 << 16 };

/// The memory that the processes of one run share.
struct run {
    _Atomic int ready, go, over;
    double start;
    double times[most_workers > arrivals ? most_workers : arrivals]; // nanoseconds for one operation
    double publications; // a second
};

static const struct peer *peer;
static struct job job;
static struct run *run;
static const char *operation;
static long bytes = 64, workers = 1, milliseconds = 50, count = 0, publish = 0;
static volatile uintptr_t sink;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

void give_up(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    _exit(1);
}

static void repeat(void *object, long times) {
    if (*operation == 'r') sink = peer->read(object, times);
    else if (*operation == 'w') peer->write(object, times);
    else
        while (times-- > 0) peer->close(peer->open(&job));
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, long count) {
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

static long core_count(void) { return sysconf(_SC_NPROCESSORS_ONLN); }

static void stay_on_core(long index) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(index % core_count(), &cores);
    sched_setaffinity(0, sizeof cores, &cores);
}

/// Reports that this process is ready, and waits for the others.
static void meet(void) {
    atomic_fetch_add(&run->ready, 1);
    while (!atomic_load(&run->go)) usleep(20);
}

/// Warms the caches up, and returns how many repetitions take about 100 µs: the work between two looks at the clock.
static long warm_up(void *object) {
    for (int again = 0; again < 5; again++) repeat(object, 1);
    for (long times = 1;; times *= 2) {
        double start = now();
        repeat(object, times);
        if (now() - start > 1e5) return times;
    }
}

static void work(long index) {
    stay_on_core(index);
    void *object = *operation == 'a' ? NULL : peer->open(&job);
    long times = warm_up(object), pieces = 0;
    double *lasted = malloc(most_pieces * sizeof *lasted);
    meet();
    double end = run->start + milliseconds * 1e6, time = now();
    do {
        double before = time;
        repeat(object, times);
        time = now();
        lasted[pieces++] = time - before;
    } while (time < end && pieces < most_pieces);
    int takes_turns = workers + (publish > 0) > core_count();
    run->times[index] = (takes_turns ? (time - run->start) / pieces : median(lasted, pieces)) / times;
    if (object) peer->close(object);
}

/// Sets the text `publish` times a second until the workers are done.
static void publish_beside(void) {
    stay_on_core(workers);
    prctl(PR_SET_TIMERSLACK, 1);
    void *object = peer->open(&job);
    peer->write(object, 10);
    meet();
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    long done = 0;
    while (!atomic_load(&run->over)) {
        peer->write(object, 1);
        done++;
        next.tv_nsec += 1000000000 / publish;
        if (next.tv_nsec >= 1000000000) next.tv_sec++, next.tv_nsec -= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    run->publications = done / (now() - run->start) * 1e9;
    peer->close(object);
}

static pid_t begin(void (*body)(long), long index) {
    pid_t child = fork();
    require(child >= 0, "fork");
    if (child > 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body(index);
    _exit(0);
}

static void end(pid_t child) {
    int status;
    require(waitpid(child, &status, 0) == child && status == 0, "a worker");
}

static void begin_publishing(long index) {
    (void)index;
    publish_beside();
}

static void measure_workers(void) {
    pid_t children[most_workers + 1];
    for (long index = 0; index < workers; index++) children[index] = begin(work, index);
    if (publish) children[workers] = begin(begin_publishing, workers);
    while (atomic_load(&run->ready) < workers + (publish > 0)) {
        require(waitpid(-1, NULL, WNOHANG) == 0, "a worker ended early");
        usleep(100);
    }
    run->start = now();
    atomic_store(&run->go, 1);
    double rate = 0;
    for (long index = 0; index < workers; index++) {
        end(children[index]);
        rate += 1 / run->times[index];
    }
    atomic_store(&run->over, 1);
    if (publish) end(children[workers]);
    printf("%.3f", 1 / rate);
    if (publish) printf(" %.0f", run->publications);
    printf("\n");
}

static void arrive(long index) {
    stay_on_core(0);
    double start = now();
    void *object = peer->open(&job);
    peer->write(object, 1);
    peer->close(object);
    run->times[index] = now() - start;
}

static void measure_arrivals(void) {
    for (long index = 0; index < arrivals; index++) end(begin(arrive, index));
    printf("%.3f\n", median(run->times, arrivals));
}

static void repeat_counted(void) {
    void *object = *operation == 'a' ? NULL : peer->open(&job);
    repeat(object, count);
    if (object) peer->close(object);
}

static void usage(const char *program) {
    fprintf(stderr, "%s PEER read|write|attach|arrive DIRECTORY [--bytes N] [--workers N] [--milliseconds N] "
                    "[--publish N] [--count N]\n", program);
    exit(64);
}

static void parse(int argc, char **argv) {
    struct { const char *name; long *value; } options[] = {
        {"--bytes", &bytes}, {"--workers", &workers}, {"--milliseconds", &milliseconds},
        {"--publish", &publish}, {"--count", &count},
    };
    for (int index = 4; index < argc; index += 2) {
        size_t option = 0;
        while (option < 5 && strcmp(argv[index], options[option].name) != 0) option++;
        if (option == 5 || index + 1 == argc) usage(argv[0]);
        *options[option].value = atol(argv[index + 1]);
    }
    if (workers > most_workers) usage(argv[0]);
}

int measure_peers(int argc, char **argv, const struct peer *peers, size_t peer_count) {
    if (argc < 4) usage(argv[0]);
    for (size_t index = 0; index < peer_count; index++)
        if (strcmp(argv[1], peers[index].name) == 0) peer = &peers[index];
    if (!peer) usage(argv[0]);
    operation = argv[2];
    parse(argc, argv);
    job = (struct job){.directory = argv[3], .text = malloc(bytes + 1), .length = bytes};
    memset(job.text, 'x', bytes);
    job.text[bytes] = 0;
    run = mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(run != MAP_FAILED, "mmap");
    peer->create(&job);
    if (count) repeat_counted();
    else if (strcmp(operation, "arrive") == 0) measure_arrivals();
    else measure_workers();
    free(job.text);
    return 0;
}
