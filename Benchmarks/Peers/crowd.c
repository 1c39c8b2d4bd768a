// A crowd of event streams.
//
//   crowd DIRECTORY PORT COUNT
//
// Connects COUNT streams and prints `connected`. For each number N that it then reads from standard input, it sets the
// text N times, one millisecond apart, and prints how many nanoseconds after the last set the last stream received it.
// Fails if a stream receives a version twice, receives an earlier version after a later one, or is closed.

#define _GNU_SOURCE
#include <sharedmem.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, *sharedmem_last_error() ? sharedmem_last_error() : strerror(errno));
    exit(1);
}

static sharedmem_t *attach(const char *directory) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.directory = directory;
    sharedmem_t *segment = sharedmem_attach("shared", &options);
    if (!segment) fail("sharedmem_attach");
    return segment;
}

static void set(sharedmem_t *segment, int number) {
    char text[65];
    int length = snprintf(text, sizeof text, "%-64d", number);
    if (sharedmem_set(segment, text, length, NULL) != 0) fail("sharedmem_set");
}

static int follow_events(int port) {
    static const char request[] = "GET /shared HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (write(descriptor, request, sizeof request - 1) != sizeof request - 1) fail("write");
    return descriptor;
}

struct watcher {
    int descriptor;
    long number; // of the last event
    char line[96];
    int length;
};

static long out_of_order, broken;

/// Reads the `id:` lines of the bytes that have arrived.
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
            fprintf(stderr, "only %d of %d streams have version %ld\n", done, count, last);
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
    int count;
    double last; // when it was set
};

static void *change(void *object) {
    struct changes *changes = object;
    for (int index = 0; index < changes->count; index++) {
        if (index > 0) usleep(1000);
        changes->last = now();
        set(changes->segment, index);
    }
    return NULL;
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    if (argc != 4) return fputs("crowd DIRECTORY PORT COUNT\n", stderr), 64;
    raise_descriptor_limit();
    sharedmem_t *segment = attach(argv[1]);
    int count = atoi(argv[3]);
    set(segment, 0);
    sharedmem_version_t version;
    sharedmem_version(segment, &version);
    struct watcher *watchers = calloc(count, sizeof *watchers);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < count; index++) {
        watchers[index] = (struct watcher){.descriptor = follow_events(atoi(argv[2])), .number = -1};
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
        epoll_ctl(poll, EPOLL_CTL_ADD, watchers[index].descriptor, &event);
    }
    await_all(poll, watchers, count, version.number);
    printf("connected\n");
    fflush(stdout);

    struct changes changes = {.segment = segment};
    while (scanf("%d", &changes.count) == 1) {
        sharedmem_version(segment, &version);
        pthread_t thread;
        pthread_create(&thread, NULL, change, &changes);
        double end = await_all(poll, watchers, count, version.number + changes.count);
        pthread_join(thread, NULL);
        printf("%.0f\n", end - changes.last);
        fflush(stdout);
    }
    if (out_of_order || broken) fprintf(stderr, "%ld versions out of order, %ld streams closed\n", out_of_order, broken);
    return out_of_order || broken;
}
