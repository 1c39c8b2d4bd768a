#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

sharedmem_t *attach(const char *directory, const char *name, uint32_t flags) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.directory = directory;
    options.flags = flags;
    return sharedmem_attach(name, &options);
}

static void record_setting(size_t length) {
    // If the process is killed before it can record the set, the text may be there all the same.
    record(SETTING, now(), (sharedmem_version_t){0, 0}, text, length, NULL);
}

void set(sharedmem_t *segment, size_t length) {
    make_text(length);
    record_setting(length);
    sharedmem_version_t version;
    uint64_t start = now();
    expect(sharedmem_set(segment, text, length, &version) == 0, "set");
    record(SET, start, version, text, length, NULL);
}

static void set_conditionally(sharedmem_t *segment, size_t length) {
    make_text(length);
    sharedmem_version_t before, version;
    expect(sharedmem_version(segment, &before) == 0, "version");
    record_setting(length);
    uint64_t start = now();
    int result = sharedmem_set_if(segment, text, length, &before, &version);
    if (result != 0 && errno == ESTALE) return;
    expect(result == 0, "set_if");
    record(SET, start, version, text, length, &before);
}

void get(sharedmem_t *segment) {
    sharedmem_version_t version;
    uint64_t start = now();
    ssize_t length = sharedmem_get(segment, text, sizeof text, &version);
    if (length < 0 && errno == EAGAIN) return;
    expect(length >= 0, "get");
    record(READ, start, version, text, (size_t)length, NULL);
}

void borrow(sharedmem_t *segment) {
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

void reread(sharedmem_t *segment) {
    sharedmem_reader_t *reader = sharedmem_reader_open(segment);
    expect(reader != NULL, "open a reader");
    for (int index = 0; index < 3; index++) read_by(reader);
    sharedmem_reader_close(reader);
}

static int input_has_ended(void) {
    struct pollfd input = {0, POLLIN, 0};
    return poll(&input, 1, 0) > 0;
}

static void attach_again(const char *directory, const char *name) {
    sharedmem_t *other = attach(directory, name, 0);
    if (!other && errno == EAGAIN) return;
    expect(other != NULL, "attach");
    get(other);
    expect(sharedmem_detach(other) == 0, "detach");
}

void use_until_told(sharedmem_t *segment, const char *directory, const char *name) {
    sharedmem_t *read_only = attach(directory, name, SHAREDMEM_READ_ONLY);
    expect(read_only != NULL, "attach");
    sharedmem_reader_t *reader = sharedmem_reader_open(segment);
    expect(reader != NULL, "open a reader");
    while (!input_has_ended()) {
        uint64_t choice = random_number() % 64;
        if (choice < 16) set(segment, random_length());
        else if (choice < 24) set_conditionally(segment, random_length());
        else if (choice < 32) get(read_only);
        else if (choice < 40) read_by(reader);
        else if (choice < 46) borrow(segment);
        else if (choice < 63) get(segment);
        else attach_again(directory, name);
        if (choice % 4 == 0) usleep(random_number() % 1000);
    }
    sharedmem_reader_close(reader);
    expect(sharedmem_detach(read_only) == 0, "detach");
}
