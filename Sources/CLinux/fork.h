// Internal to CLinux: state that a fork must find whole.

#ifndef CLINUX_FORK_H
#define CLINUX_FORK_H

#include <pthread.h>
#include <stdbool.h>

/// A mutex that fork(2) holds, so that a child finds the state behind it whole.
///
/// It is error-checking: a signal handler gets an error, and no deadlock, if it interrupts a thread that holds the mutex.
struct clinux_guard {
    pthread_mutex_t mutex;
    bool is_held_by_fork;
    /// Gives up the state in a forked child; it must not use the allocator.
    void (*give_up)(void);
};

/// Guards the calls that exit(3) makes; may be held while the other guard is taken.
extern struct clinux_guard clinux_exit_guard;

/// Guards the list of descriptors.
extern struct clinux_guard clinux_descriptor_guard;

/// Takes a guard; 0, or -errno if this thread holds it already.
int clinux_enter(struct clinux_guard *guard);

void clinux_leave(struct clinux_guard *guard);

#endif
