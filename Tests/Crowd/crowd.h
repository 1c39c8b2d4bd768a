// The board that the processes of a crowd share, and what each of them does.

#ifndef CROWD_H
#define CROWD_H

#include <sharedmem.h>

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/// What all members do at a time; the conductor moves on when all have done it.
enum phase { ARRIVE, READ_AND_SET, FINISH };

struct member {
    _Atomic pid_t pid;
    /// One more than the last phase that the member has completed.
    _Atomic uint32_t completed;
    /// Chosen by the conductor.
    _Atomic uint32_t sets;
    /// Whether the text that it read last was in the mapping of the segment's file.
    _Atomic uint32_t is_in_place;
    _Atomic uint32_t reads, copies, has_failed;
    /// Nanoseconds.
    _Atomic uint64_t attach_time, first_read_time, set_time, longest_set;
    char message[200];
};

struct board {
    _Atomic uint32_t phase;
    _Atomic uint64_t final_number;
    uint32_t member_count, seconds;
    char directory[200];
    struct member members[];
};

/// Attaches if `segment` is NULL, takes part in each phase, and then waits to be killed.
_Noreturn void take_part(struct board *board, uint32_t index, sharedmem_t *segment);

sharedmem_t *attach(const char *directory);
sharedmem_options_t options_in(const char *directory);

/// Whether `text` is the shared bytes themselves.
int is_in_segment(const void *text);

uint64_t nanoseconds(void);
void pause_milliseconds(unsigned milliseconds);

#define SEGMENT "crowd"

#endif
