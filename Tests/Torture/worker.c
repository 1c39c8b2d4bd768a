// A process that uses the text through the C door until it is told to end, or killed:
//
//   worker DIRECTORY NAME HISTORY SEED set|grow|read|reread|copy|loop|wait|told
//
// `set` and `read` do it once, `reread` thrice, by a reader; `grow` sets a long text; `copy` reads through a handle for reading only; `loop` does all
// of it, at random, until standard input ends; `wait` watches the text until standard input says what the last version
// is; `told` is for `sharedmem watch` to run with a text on standard input. What it did is appended to the file HISTORY; the records and the texts are those of Swift's History and
// ChecksummedText.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sharedmem.h"

enum { READ = 0, SET = 1, SETTING = 2, WATCH = 3, ENDED = 4, DOOR_C = 1, COMMAND_LINE = 3, CHECKSUM = 16, LONGEST = 1 << 20, LONG = 400000 };

static uint64_t seed;
static int history;
static int door = DOOR_C;

static void fail(const char *what) {
    fprintf(stderr, "worker.c: %s: %s\n", what, sharedmem_last_error());
    exit(1);
}

static void expect(int truth, const char *what) {
    if (!truth) fail(what);
}

static uint64_t random_number(void) {
    uint64_t mixed = seed += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// MARK: Texts

static char letter(uint64_t number) { return "abcdefghijklmnopqrstuvwxyz\n\r"[number % 28]; }

static uint64_t sum(const char *bytes, size_t count) {
    uint64_t sum = count;
    for (size_t index = 0; index < count; index++) sum = (sum ^ (unsigned char)bytes[index]) * 0x100000001b3;
    return sum;
}

static void write_checksum(uint64_t sum, char digits[CHECKSUM]) {
    for (int index = 0; index < CHECKSUM; index++) digits[index] = letter(sum >> (60 - 4 * index) & 15);
}

/// Most are short; a few are long.
static size_t random_length(void) {
    size_t limit = (size_t)64 << (random_number() % 64 == 0 ? 14 : random_number() % 8);
    return CHECKSUM + 1 + random_number() % (limit - CHECKSUM - 1);
}

static void make_text(char *text, size_t length) {
    uint64_t state = random_number() | 1;
    for (size_t index = CHECKSUM; index < length; index++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        text[index] = letter(state >> 40 & 0xffff);
    }
    write_checksum(sum(text + CHECKSUM, length - CHECKSUM), text);
}

static int is_whole(const char *text, size_t length, uint64_t *digest) {
    char digits[CHECKSUM];
    *digest = length;
    if (length <= CHECKSUM) {
        for (size_t index = 0; index < length; index++)
            if (text[index] != letter(length)) return 0;
        return 1;
    }
    *digest = sum(text + CHECKSUM, length - CHECKSUM);
    write_checksum(*digest, digits);
    return memcmp(digits, text, CHECKSUM) == 0;
}

// MARK: Doing

static void append(int kind, uint64_t start, uint64_t end, sharedmem_version_t version, int whole, uint64_t digest,
                   const sharedmem_version_t *replaced) {
    uint64_t words[8] = {
        (uint64_t)kind | (uint64_t)door << 8 | (uint64_t)getpid() << 32,
        (uint64_t)whole | (replaced ? 2 : 0),
        start, end, version.instance, version.number, digest, replaced ? replaced->number : 0,
    };
    expect(write(history, words, sizeof words) == sizeof words, "the history can not be written");
}

static void record(int kind, uint64_t start, sharedmem_version_t version, const char *text, size_t length,
                   const sharedmem_version_t *replaced) {
    uint64_t end = now(), digest;
    int whole = is_whole(text, length, &digest);
    append(kind, start, end, version, whole, digest, replaced);
}

static char text[LONGEST + 1];

static void set(sharedmem_t *segment, size_t length, int conditional) {
    make_text(text, length);
    sharedmem_version_t before, version;
    if (conditional) expect(sharedmem_version(segment, &before) == 0, "version");
    // Killed before it can say that it was set, it may be there all the same.
    record(SETTING, now(), (sharedmem_version_t){0, 0}, text, length, NULL);
    uint64_t start = now();
    int result = conditional ? sharedmem_set_if(segment, text, length, &before, &version)
                             : sharedmem_set(segment, text, length, &version);
    if (result != 0 && conditional && errno == ESTALE) return;
    expect(result == 0, "set");
    record(SET, start, version, text, length, conditional ? &before : NULL);
}

static void get(sharedmem_t *segment) {
    sharedmem_version_t version;
    uint64_t start = now();
    ssize_t length = sharedmem_get(segment, text, sizeof text, &version);
    if (length < 0 && errno == EAGAIN) return;
    expect(length >= 0, "get");
    record(READ, start, version, text, (size_t)length, NULL);
}

static void borrow(sharedmem_t *segment) {
    sharedmem_borrow_t borrow;
    uint64_t start = now();
    int result = sharedmem_borrow(segment, &borrow);
    if (result != 0 && errno == EAGAIN) return;
    expect(result == 0, "borrow");
    record(READ, start, borrow.version, borrow.text, borrow.length, NULL);
    sharedmem_release(segment, &borrow);
}

static void read_by(sharedmem_reader_t *reader) {
    uint64_t start = now();
    const sharedmem_borrow_t *read = sharedmem_reader_read(reader);
    expect(read != NULL, "read");
    record(READ, start, read->version, read->text, read->length, NULL);
    if (random_number() % 8 == 0) sharedmem_reader_unpin(reader);
}

static sharedmem_t *attach(char **arguments, uint32_t flags) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.directory = arguments[1];
    options.flags = flags;
    return sharedmem_attach(arguments[2], &options);
}

/// Reads and reads again, by a reader that there is for this alone.
static void reread(sharedmem_t *segment) {
    sharedmem_reader_t *reader = sharedmem_reader_open(segment);
    expect(reader != NULL, "open a reader");
    for (int index = 0; index < 3; index++) read_by(reader);
    sharedmem_reader_close(reader);
}

static int input_has_ended(void) {
    struct pollfd input = {0, POLLIN, 0};
    return poll(&input, 1, 0) > 0;
}

static void loop(sharedmem_t *segment, char **arguments) {
    sharedmem_t *read_only = attach(arguments, SHAREDMEM_READ_ONLY);
    expect(read_only != NULL, "attach");
    sharedmem_reader_t *reader = sharedmem_reader_open(segment);
    expect(reader != NULL, "open a reader");
    while (!input_has_ended()) {
        uint64_t choice = random_number() % 64;
        if (choice < 16) {
            set(segment, random_length(), 0);
        } else if (choice < 24) {
            set(segment, random_length(), 1);
        } else if (choice < 32) {
            get(read_only);
        } else if (choice < 40) {
            read_by(reader);
        } else if (choice < 46) {
            borrow(segment);
        } else if (choice < 63) {
            get(segment);
        } else {
            sharedmem_t *other = attach(arguments, 0);
            if (!other && errno == EAGAIN) continue;
            expect(other != NULL, "attach");
            get(other);
            expect(sharedmem_detach(other) == 0, "detach");
        }
        if (choice % 4 == 0) usleep(random_number() % 1000);
    }
    sharedmem_reader_close(reader);
    expect(sharedmem_detach(read_only) == 0, "detach");
}

// MARK: Watching

static uint64_t last_number;

static void see_next(sharedmem_t *segment, sharedmem_version_t *had) {
    sharedmem_version_t next, version;
    uint64_t start = now();
    int result = sharedmem_wait(segment, *had, -1, &next);
    if (result != 0 && errno == EINTR) return;
    expect(result == 0, "wait");
    ssize_t length = sharedmem_get(segment, text, sizeof text, &version);
    if (length < 0 && errno == EAGAIN) return;
    expect(length >= 0 && version.number >= next.number, "get");
    record(WATCH, start, version, text, (size_t)length, had->instance ? had : NULL);
    *had = version;
    __atomic_store_n(&last_number, version.number, __ATOMIC_RELEASE);
}

static void *watch(void *segment) {
    sharedmem_version_t had = {0, 0};
    while (1) see_next(segment, &had);
    return NULL;
}

static void watch_until_told(sharedmem_t *segment) {
    pthread_t thread;
    expect(pthread_create(&thread, NULL, watch, segment) == 0, "pthread_create");
    char line[SHAREDMEM_VERSION_SIZE + 1];
    sharedmem_version_t last;
    if (!fgets(line, sizeof line, stdin)) exit(0);
    line[strcspn(line, "\n")] = 0;
    expect(sharedmem_version_parse(line, &last) == 0, "the last version");
    // As in Watcher.swift.
    uint64_t deadline = now() + 4000000000;
    while (__atomic_load_n(&last_number, __ATOMIC_ACQUIRE) != last.number && now() < deadline) usleep(1000);
    last.number = __atomic_load_n(&last_number, __ATOMIC_ACQUIRE);
    uint64_t end = now();
    append(ENDED, end, end, last, 0, 0, NULL);
    exit(0);
}

/// Watches through the command line, which runs one such process after the other.
///
/// What each is given was there when the one before had written down its own, or is newer.
static void be_told(const char *path) {
    uint64_t before[8] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    off_t end = lseek(file, 0, SEEK_END);
    int is_first = end < (off_t)sizeof before;
    expect(is_first || pread(file, before, sizeof before, end - (off_t)sizeof before) == sizeof before, "the history");
    sharedmem_version_t had = {before[4], before[5]}, version;
    expect(sharedmem_version_parse(getenv("SHAREDMEM_VERSION"), &version) == 0, "the version");
    size_t length = fread(text, 1, sizeof text, stdin);
    door = COMMAND_LINE;
    record(WATCH, before[3], version, text, length, is_first ? NULL : &had);
    usleep(random_number() % 40000);
}

int main(int count, char **arguments) {
    if (count != 6) return 64;
    const char *action = arguments[5];
    seed = strtoull(arguments[4], NULL, 10);
    history = open(arguments[3], O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    if (strcmp(action, "told") == 0) {
        be_told(arguments[3]);
        return 0;
    }
    int waits = strcmp(action, "wait") == 0;
    int only_reads = strcmp(action, "copy") == 0 || (waits && random_number() % 4 == 0);
    sharedmem_t *segment = attach(arguments, only_reads ? SHAREDMEM_READ_ONLY : 0);
    expect(segment != NULL, "attach");
    if (waits) watch_until_told(segment);
    else if (strcmp(action, "set") == 0) set(segment, random_length(), 0);
    else if (strcmp(action, "grow") == 0) set(segment, LONG, 0);
    else if (strcmp(action, "loop") == 0) loop(segment, arguments);
    else if (strcmp(action, "reread") == 0) reread(segment);
    else if (random_number() % 2) get(segment);
    else borrow(segment);
    expect(sharedmem_detach(segment) == 0, "detach");
    return 0;
}
