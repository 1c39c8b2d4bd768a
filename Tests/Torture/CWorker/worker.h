// The parts of the worker: a process that uses the text through the C interface until it is told to end, or killed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sharedmem.h"

// MARK: text.c

enum { CHECKSUM_LENGTH = 16, LONG_LENGTH = 400000, MAXIMUM_LENGTH = 1 << 20 };

/// Holds the text that was made or read last.
extern char text[MAXIMUM_LENGTH + 1];

/// Starts the random numbers.
void seed_random(uint64_t seed);
uint64_t random_number(void);
/// The length of the next text: mostly short, sometimes long.
size_t random_length(void);
/// Fills `text` with a random text of `length` bytes that begins with its checksum, as Swift's ChecksummedText does.
void make_text(size_t length);
/// Whether `text` has the checksum that it begins with, which `*digest` is set to.
int is_whole(const char *text, size_t length, uint64_t *digest);

// MARK: history.c

/// As in Swift's History.Operation.
enum operation { READ = 0, SET = 1, SETTING = 2, WATCH = 3, ENDED = 4 };
enum interface { C_INTERFACE = 1, COMMAND_LINE = 3 };
enum { RECORD_WORDS = 8 };

/// Ends the process with a message if `condition` is false.
void expect(int condition, const char *description);
/// Nanoseconds of the host's monotonic clock.
uint64_t now(void);
/// Opens the file to which records are appended.
void open_history(const char *path, enum interface interface);
/// Appends the record of an operation on `text` that began at `start` and ends now.
void record(enum operation operation, uint64_t start, sharedmem_version_t version, const char *text, size_t length,
            const sharedmem_version_t *replaced);
/// Appends the record that a watcher has ended, with the last version it saw.
void record_end(sharedmem_version_t last);

// MARK: using.c

sharedmem_t *attach(const char *directory, const char *name, uint32_t flags);
void set(sharedmem_t *segment, size_t length);
void get(sharedmem_t *segment);
void borrow(sharedmem_t *segment);
/// Reads three times, with a reader of its own.
void reread(sharedmem_t *segment);
/// Reads and sets at random until standard input ends.
void use_until_told(sharedmem_t *segment, const char *directory, const char *name);

// MARK: watching.c

/// Watches the text until standard input names the last version, and ends the process.
void watch_until_told(sharedmem_t *segment);
/// Records the text on standard input, as the command of `sharedmem watch --exec`.
void be_told(const char *history);
