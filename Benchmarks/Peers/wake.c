// How soon a waiter learns of a change: the time from just before one process sets 64 bytes of text until another
// process, which slept, has it.
//
//   wake futex|wait|inotify DIRECTORY ROUNDS awake|idle      within the host
//   wake redis|events DIRECTORY ROUNDS awake|idle PORT       over TCP: Redis PUBLISH, or an event stream of sharedmem serve
//
// Each process is bound to a core of its own. Otherwise, whether they share a core is luck, and changes the time by a
// factor of three. An `awake` core runs another process, which yields at once (SCHED_IDLE), so no core has to be woken.
// Prints the median and the 99th percentile, in nanoseconds.

#define _GNU_SOURCE
#include <sharedmem.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// A way to signal a change. `listen` and `wait` run in the waiting process, `prepare` and `notify` in the setting one.
struct notifier {
    const char *name;
    void (*listen)(void);
    void (*wait)(void);
    void (*prepare)(void);
    void (*notify)(const char *text);
};

static struct {
    _Atomic uint32_t word;
    _Atomic long received;
    double time;
} *shared;

static const char *directory;
static int port;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static void require(int well, const char *what) {
    if (well) return;
    fprintf(stderr, "%s: %s %s\n", what, strerror(errno), sharedmem_last_error());
    _exit(1);
}

static void stay_on_core(long core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core % sysconf(_SC_NPROCESSORS_ONLN), &cores);
    sched_setaffinity(0, sizeof cores, &cores);
}

// MARK: A bare futex

static uint32_t seen_word;

static void futex_listen(void) {}

static void futex_wait(void) {
    while (atomic_load(&shared->word) == seen_word)
        syscall(SYS_futex, &shared->word, FUTEX_WAIT, seen_word, NULL, NULL, 0);
    seen_word = atomic_load(&shared->word);
}

static void futex_notify(const char *text) {
    (void)text;
    atomic_fetch_add(&shared->word, 1);
    syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

// MARK: sharedmem

static sharedmem_t *segment;
static sharedmem_version_t version;

static void ours_attach(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.directory = directory;
    segment = sharedmem_attach("shared", &options);
    require(segment && sharedmem_version(segment, &version) == 0, "sharedmem_attach");
}

static void ours_wait(void) { require(sharedmem_wait(segment, version, -1, &version) == 0, "sharedmem_wait"); }

static void ours_notify(const char *text) { require(sharedmem_set(segment, text, 64, NULL) == 0, "sharedmem_set"); }

// MARK: A file that is renamed into place and read again

static int notifications;
static char path[4096], temporary[4096];

static void file_prepare(void) {
    snprintf(path, sizeof path, "%s/file", directory);
    snprintf(temporary, sizeof temporary, "%s/file.new", directory);
}

static void file_listen(void) {
    file_prepare();
    notifications = inotify_init1(IN_CLOEXEC);
    require(inotify_add_watch(notifications, directory, IN_MOVED_TO) >= 0, "inotify_add_watch");
}

static void file_wait(void) {
    char buffer[4096];
    require(read(notifications, buffer, sizeof buffer) > 0, "inotify");
    int file = open(path, O_RDONLY | O_CLOEXEC);
    require(file >= 0 && read(file, buffer, sizeof buffer) == 64, path);
    close(file);
}

static void file_notify(const char *text) {
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(file >= 0 && write(file, text, 64) == 64 && close(file) == 0 && rename(temporary, path) == 0, temporary);
}

// MARK: Over TCP

static int connection;

static void converse(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(connect(connection, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    require(write(connection, text, strlen(text)) == (ssize_t)strlen(text), "write");
}

/// Reads until a whole message has arrived.
static void receive(const char *end) {
    static char buffer[65536];
    size_t length = 0, end_length = strlen(end);
    do {
        ssize_t count = read(connection, buffer + length, sizeof buffer - length);
        require(count > 0, "read");
        length += count;
    } while (length < end_length || memcmp(buffer + length - end_length, end, end_length) != 0);
}

static void redis_wait(void) { receive("\r\n"); }

static void redis_listen(void) {
    converse("SUBSCRIBE text\r\n");
    redis_wait();
}

static void redis_prepare(void) { converse(""); }

static void redis_notify(const char *text) {
    char command[128];
    int length = snprintf(command, sizeof command, "*3\r\n$7\r\nPUBLISH\r\n$4\r\ntext\r\n$64\r\n%s\r\n", text);
    require(write(connection, command, length) == length, "write");
    receive("\r\n");
}

static void events_wait(void) { receive("\n\n\r\n"); } // the end of an event and of its chunk

static void events_listen(void) {
    converse("GET /shared HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    events_wait(); // for the current text
}

// MARK: -

static const struct notifier notifiers[] = {
    {"futex", futex_listen, futex_wait, futex_listen, futex_notify},
    {"wait", ours_attach, ours_wait, ours_attach, ours_notify},
    {"inotify", file_listen, file_wait, file_prepare, file_notify},
    {"redis", redis_listen, redis_wait, redis_prepare, redis_notify},
    {"events", events_listen, events_wait, ours_attach, ours_notify},
};

/// Keeps a core awake with a process that yields to any other.
static pid_t keep_awake(long core) {
    pid_t child = fork();
    if (child != 0) return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stay_on_core(core);
    require(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) == 0, "SCHED_IDLE");
    for (volatile long turns = 0;; turns++) {}
}

static void run_waiter(const struct notifier *notifier, long rounds) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    stay_on_core(1);
    notifier->listen();
    atomic_store(&shared->received, 1);
    for (long round = 0; round < rounds; round++) {
        notifier->wait();
        shared->time = now();
        atomic_store(&shared->received, round + 2);
    }
    _exit(0);
}

static void await_waiter(pid_t child, long round) {
    while (atomic_load(&shared->received) < round + 1) {
        require(waitpid(child, NULL, WNOHANG) == 0 || atomic_load(&shared->received) == round + 1, "the waiter has ended");
        usleep(10);
    }
    usleep(200); // until the waiter sleeps again
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const struct notifier *notifier = NULL;
    for (size_t index = 0; argc >= 5 && index < sizeof notifiers / sizeof *notifiers; index++)
        if (strcmp(argv[1], notifiers[index].name) == 0) notifier = &notifiers[index];
    if (!notifier) return fputs("wake futex|wait|inotify|redis|events DIRECTORY ROUNDS awake|idle [PORT]\n", stderr), 64;
    directory = argv[2];
    long rounds = atol(argv[3]);
    port = argc > 5 ? atoi(argv[5]) : 0;
    long cores = strcmp(argv[4], "awake") == 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 0;
    pid_t awake[cores > 0 ? cores : 1];
    for (long core = 0; core < cores; core++) awake[core] = keep_awake(core);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    notifier->prepare();
    notifier->notify("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    seen_word = atomic_load(&shared->word);
    pid_t child = fork();
    if (child == 0) run_waiter(notifier, rounds);
    stay_on_core(0);
    double *times = calloc(rounds, sizeof *times);
    await_waiter(child, 0);
    for (long round = 0; round < rounds; round++) {
        char text[65];
        snprintf(text, sizeof text, "%-64ld", round);
        double start = now();
        notifier->notify(text);
        await_waiter(child, round + 1);
        times[round] = shared->time - start;
    }
    waitpid(child, NULL, 0);
    for (long core = 0; core < cores; core++) {
        kill(awake[core], SIGKILL);
        waitpid(awake[core], NULL, 0);
    }
    qsort(times, rounds, sizeof *times, by_size);
    printf("%.0f %.0f\n", times[rounds / 2], times[rounds * 99 / 100]);
}
