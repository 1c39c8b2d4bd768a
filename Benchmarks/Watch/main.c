// How soon who waits knows: measures what Benchmarks/compare-watch compares.
//
//   watch local ROUNDS               a bare futex beside sharedmem_set and sharedmem_wait, process to process, in turns
//   watch remote PORT REDIS ROUNDS   sharedmem_set to an event stream, beside Redis PUBLISH to SUBSCRIBE, in turns
//   watch crowd PORT COUNT CHANGES INTERVAL
//                                    so many event streams, and so many changes with that time between; prints when all
//                                    are connected, and waits for a line before it begins
//
// All in microseconds. The segment is the library's own: SHAREDMEM_NAME and SHAREDMEM_DIRECTORY say which.

#define _GNU_SOURCE
#include <sharedmem.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, *sharedmem_last_error() ? sharedmem_last_error() : strerror(errno));
    exit(1);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double *times, int count) {
    qsort(times, count, sizeof *times, compare);
    printf("%-44s median %7.1f   p99 %7.1f\n", what, times[count / 2], times[count * 99 / 100]);
}

static sharedmem_t *attach(void) {
    sharedmem_t *segment = sharedmem_attach(NULL, NULL);
    if (!segment) fail("sharedmem_attach");
    return segment;
}

static void set(sharedmem_t *segment, int number) {
    char text[65];
    int length = snprintf(text, sizeof text, "%-64d", number);
    if (sharedmem_set(segment, text, length, NULL) != 0) fail("sharedmem_set");
}

// MARK: Process to process

struct shared {
    _Atomic uint32_t word;
    _Atomic int seen;
    double start, end;
};

static void wait_on_futex(struct shared *shared, uint32_t before) {
    while (atomic_load(&shared->word) == before)
        syscall(SYS_futex, &shared->word, FUTEX_WAIT, before, NULL, NULL, 0);
}

/// The other process: notes when it is awake, for every round of both kinds.
static void follow(struct shared *shared, int rounds) {
    sharedmem_t *segment = attach();
    sharedmem_version_t version;
    if (sharedmem_version(segment, &version) != 0) fail("sharedmem_version");
    atomic_store(&shared->seen, 0);
    for (int round = 0; round < rounds; round++) {
        wait_on_futex(shared, round);
        shared->end = now();
        atomic_store(&shared->seen, 2 * round + 1);
        if (sharedmem_wait(segment, version, -1, &version) != 0) fail("sharedmem_wait");
        shared->end = now();
        atomic_store(&shared->seen, 2 * round + 2);
    }
    _exit(0);
}

static void await_seen(struct shared *shared, int seen) {
    while (atomic_load(&shared->seen) != seen) usleep(10);
    usleep(200); // until it is asleep again
}

static void local(int rounds) {
    struct shared *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double *bare = calloc(rounds, sizeof *bare), *ours = calloc(rounds, sizeof *ours);
    sharedmem_t *segment = attach();
    atomic_store(&shared->seen, -1);
    pid_t child = fork();
    if (child == 0) follow(shared, rounds);
    await_seen(shared, 0);
    for (int round = 0; round < rounds; round++) {
        shared->start = now();
        atomic_store(&shared->word, round + 1);
        syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
        await_seen(shared, 2 * round + 1);
        bare[round] = shared->end - shared->start;
        shared->start = now();
        set(segment, round);
        await_seen(shared, 2 * round + 2);
        ours[round] = shared->end - shared->start;
    }
    waitpid(child, NULL, 0);
    report("bare futex, store to awake", bare, rounds);
    report("sharedmem_set to sharedmem_wait", ours, rounds);
    printf("ratio of medians %.2f, of p99 %.2f\n", ours[rounds / 2] / bare[rounds / 2],
           ours[rounds * 99 / 100] / bare[rounds * 99 / 100]);
}

// MARK: Over TCP

static int connect_to(int port) {
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

static void say(int descriptor, const char *text) {
    if (write(descriptor, text, strlen(text)) != (ssize_t)strlen(text)) fail("write");
}

static int follow_events(int port) {
    int descriptor = connect_to(port);
    say(descriptor, "GET /shared HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    return descriptor;
}

struct reader {
    int descriptor;
    const char *end; // of what is waited for
    _Atomic int seen;
    double time;
};

/// Notes when each message is there, whole.
static void *read_messages(void *object) {
    struct reader *reader = object;
    char buffer[65536];
    size_t length = 0, end_length = strlen(reader->end);
    for (;;) {
        ssize_t count = read(reader->descriptor, buffer + length, sizeof buffer - length);
        if (count <= 0) return NULL;
        length += count;
        if (length < end_length || memcmp(buffer + length - end_length, reader->end, end_length) != 0) continue;
        reader->time = now();
        length = 0;
        atomic_fetch_add(&reader->seen, 1);
    }
}

static void await_message(struct reader *reader, int seen) {
    while (atomic_load(&reader->seen) < seen) usleep(10);
    usleep(200);
}

static void remote(int port, int redis_port, int rounds) {
    sharedmem_t *segment = attach();
    set(segment, 0);
    struct reader events = {.descriptor = follow_events(port), .end = "\n\n\r\n"};
    struct reader messages = {.descriptor = connect_to(redis_port), .end = "\r\n"};
    say(messages.descriptor, "SUBSCRIBE text\r\n");
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, read_messages, &events);
    pthread_create(&threads[1], NULL, read_messages, &messages);
    await_message(&events, 1);
    await_message(&messages, 1);
    int publisher = connect_to(redis_port);
    double *ours = calloc(rounds, sizeof *ours), *redis = calloc(rounds, sizeof *redis);
    for (int round = 0; round < rounds; round++) {
        double start = now();
        set(segment, round);
        await_message(&events, round + 2);
        ours[round] = events.time - start;
        char command[128];
        snprintf(command, sizeof command, "*3\r\n$7\r\nPUBLISH\r\n$4\r\ntext\r\n$64\r\n%-64d\r\n", round);
        start = now();
        say(publisher, command);
        await_message(&messages, round + 2);
        redis[round] = messages.time - start;
        if (read(publisher, command, sizeof command) <= 0) fail("read");
    }
    report("Redis PUBLISH to subscriber", redis, rounds);
    report("sharedmem_set to event stream", ours, rounds);
    printf("Redis takes %.2f times as long (medians), %.2f times (p99)\n", redis[rounds / 2] / ours[rounds / 2],
           redis[rounds * 99 / 100] / ours[rounds * 99 / 100]);
}

// MARK: A crowd

struct watcher {
    int descriptor;
    long number; // of the last event
    int events;
    char line[96];
    int length;
};

static long out_of_order, broken;

/// Reads the `id:` lines of what has come.
static void take(struct watcher *watcher, const char *bytes, ssize_t count) {
    for (ssize_t index = 0; index < count; index++) {
        if (bytes[index] != '\n') {
            if (watcher->length < 95) watcher->line[watcher->length++] = bytes[index];
            continue;
        }
        watcher->line[watcher->length] = 0;
        watcher->length = 0;
        if (strncmp(watcher->line, "id: ", 4) != 0) continue;
        long number = atol(strrchr(watcher->line, '-') + 1);
        if (number <= watcher->number) out_of_order++;
        watcher->number = number;
        watcher->events++;
    }
}

/// Reads until every watcher has the last number.
static double await_all(int poll, struct watcher *watchers, int count, long last) {
    static char buffer[1 << 16];
    struct epoll_event events[256];
    int done = 0;
    for (int index = 0; index < count; index++) done += watchers[index].number >= last;
    double end = now();
    while (done < count) {
        int ready = epoll_wait(poll, events, 256, 60000);
        if (ready <= 0) {
            printf("only %d of %d watchers have version %ld\n", done, count, last);
            exit(1);
        }
        for (int index = 0; index < ready; index++) {
            struct watcher *watcher = &watchers[events[index].data.u32];
            bool was_done = watcher->number >= last;
            ssize_t length = read(watcher->descriptor, buffer, sizeof buffer);
            if (length <= 0) {
                broken++;
                epoll_ctl(poll, EPOLL_CTL_DEL, watcher->descriptor, NULL);
                continue;
            }
            take(watcher, buffer, length);
            done += !was_done && watcher->number >= last;
        }
        end = now();
    }
    return end;
}

struct changes {
    sharedmem_t *segment;
    int count, interval;
    double last;
};

static void *change(void *object) {
    struct changes *changes = object;
    for (int index = 0; index < changes->count; index++) {
        if (index == changes->count - 1) changes->last = now();
        set(changes->segment, index);
        if (changes->interval) usleep(changes->interval);
    }
    return NULL;
}

static void one_change(sharedmem_t *segment, int poll, struct watcher *watchers, int count, double *time) {
    sharedmem_version_t version;
    double start = now();
    set(segment, 0);
    sharedmem_version(segment, &version);
    *time = await_all(poll, watchers, count, version.number) - start;
}

static void crowd(int port, int count, int change_count, int interval) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    sharedmem_t *segment = attach();
    set(segment, 0);
    sharedmem_version_t version;
    sharedmem_version(segment, &version);
    struct watcher *watchers = calloc(count, sizeof *watchers);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < count; index++) {
        watchers[index] = (struct watcher){.descriptor = follow_events(port), .number = -1};
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
        epoll_ctl(poll, EPOLL_CTL_ADD, watchers[index].descriptor, &event);
    }
    await_all(poll, watchers, count, version.number);
    printf("connected %d\n", count);
    fflush(stdout);
    getchar();

    double singles[21];
    for (int index = 0; index < 21; index++) {
        one_change(segment, poll, watchers, count, &singles[index]);
        usleep(100000);
    }
    qsort(singles, 21, sizeof *singles, compare);
    printf("one change to the last of %d watchers: %.1f ms (median of 21)\n", count, singles[10] / 1e3);

    long before = 0, after = 0;
    for (int index = 0; index < count; index++) before += watchers[index].events;
    sharedmem_version(segment, &version);
    struct changes changes = {segment, change_count, interval, 0};
    pthread_t thread;
    double start = now();
    pthread_create(&thread, NULL, change, &changes);
    double end = await_all(poll, watchers, count, version.number + change_count);
    pthread_join(thread, NULL);
    for (int index = 0; index < count; index++) after += watchers[index].events;
    printf("%d changes in %.1f ms: the last of %d watchers has the final state %.1f ms after it was set; "
           "%.1f events each, %ld out of order, %ld connections lost\n",
           change_count, (changes.last - start) / 1e3, count, (end - changes.last) / 1e3,
           (double)(after - before) / count, out_of_order, broken);
    exit(out_of_order || broken ? 1 : 0);
}

int main(int argc, char *argv[]) {
    if (argc == 3 && strcmp(argv[1], "local") == 0) local(atoi(argv[2]));
    else if (argc == 5 && strcmp(argv[1], "remote") == 0) remote(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    else if (argc == 6 && strcmp(argv[1], "crowd") == 0)
        crowd(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
    else
        return fputs("watch local ROUNDS | remote PORT REDIS ROUNDS | crowd PORT COUNT CHANGES INTERVAL\n", stderr), 64;
    return 0;
}
