// One process of a crowd: attaches, reads, sets if it was chosen to, and waits to be killed.

#define _GNU_SOURCE

#include "crowd.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void pause_milliseconds(unsigned milliseconds) {
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
}

sharedmem_options_t options_in(const char *directory) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.directory = directory;
    return options;
}

sharedmem_t *attach(const char *directory) {
    sharedmem_options_t options = options_in(directory);
    return sharedmem_attach(SEGMENT, &options);
}

int is_in_segment(const void *text) {
    static pid_t process;
    static uintptr_t start, end;
    if (process != getpid()) {
        process = getpid();
        start = end = 0;
        FILE *maps = fopen("/proc/self/maps", "r");
        char line[1000];
        // A forked child still lists nothing of its parent's: the library does not let children inherit its mapping.
        while (maps && fgets(line, sizeof line, maps))
            if (strstr(line, "/" SEGMENT ".sharedmem") && !end) sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end);
        if (maps) fclose(maps);
    }
    return (uintptr_t)text >= start && (uintptr_t)text < end;
}

static __attribute__((format(printf, 2, 3))) void fail(struct member *self, const char *format, ...) {
    if (atomic_fetch_add(&self->has_failed, 1)) return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->message, sizeof self->message, format, arguments);
    va_end(arguments);
}

/// Reads once, checks the text, and returns its number; 0 if that failed.
static uint64_t read_text(struct member *self, sharedmem_reader_t *reader, uint64_t at_least) {
    const sharedmem_borrow_t *text = sharedmem_reader_read(reader);
    if (!text) {
        fail(self, "read: %s", sharedmem_last_error());
        return 0;
    }
    if (!is_whole(text->text, text->length)) fail(self, "number %" PRIu64 " is torn", text->version.number);
    if (text->version.number < at_least)
        fail(self, "read number %" PRIu64 " after %" PRIu64, text->version.number, at_least);
    int is_in_place = is_in_segment(text->text);
    atomic_store(&self->is_in_place, (uint32_t)is_in_place);
    atomic_fetch_add(&self->reads, 1);
    if (!is_in_place) atomic_fetch_add(&self->copies, 1);
    return text->version.number;
}

static void complete(struct board *board, struct member *self, uint32_t phase) {
    atomic_store(&self->completed, phase + 1);
    for (uint32_t current; (current = atomic_load(&board->phase)) <= phase;)
        syscall(SYS_futex, &board->phase, FUTEX_WAIT, current, &(struct timespec){5, 0}, NULL, 0);
}

static void set_texts(struct member *self, sharedmem_t *segment, uint32_t index) {
    char text[TEXT_MOST + 1];
    for (uint32_t number = 1; number <= atomic_load(&self->sets); number++) {
        size_t length = make_text(text, index, number);
        uint64_t start = nanoseconds();
        if (sharedmem_set(segment, text, length, NULL) != 0)
            fail(self, "set %u: %s (errno %d)", number, sharedmem_last_error(), errno);
        uint64_t time = nanoseconds() - start;
        atomic_fetch_add(&self->set_time, time);
        if (time > atomic_load(&self->longest_set)) atomic_store(&self->longest_set, time);
    }
}

_Noreturn void take_part(struct board *board, uint32_t index, sharedmem_t *segment) {
    // Nothing outlives the conductor, or the time that it gave.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(board->seconds);
    struct member *self = &board->members[index];
    atomic_store(&self->pid, getpid());

    uint64_t start = nanoseconds();
    if (!segment) segment = attach(board->directory);
    uint64_t attached = nanoseconds();
    sharedmem_reader_t *reader = segment ? sharedmem_reader_open(segment) : NULL;
    if (!reader) {
        fail(self, "attach: %s", sharedmem_last_error());
        atomic_store(&self->completed, FINISH + 1);
        while (1) pause();
    }
    uint64_t last = read_text(self, reader, 1);
    atomic_store(&self->first_read_time, nanoseconds() - attached);
    atomic_store(&self->attach_time, attached - start);
    complete(board, self, ARRIVE);

    if (atomic_load(&self->sets) > 0) {
        set_texts(self, segment, index);
        last = read_text(self, reader, last);
        atomic_store(&self->completed, READ_AND_SET + 1);
    }
    while (atomic_load(&board->phase) == READ_AND_SET) {
        last = read_text(self, reader, last);
        pause_milliseconds(150 + index % 100);
    }

    if (read_text(self, reader, last) != atomic_load(&board->final_number)) fail(self, "the last text is not the final one");
    complete(board, self, FINISH);
    while (1) pause();
}
