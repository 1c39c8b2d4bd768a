#define _GNU_SOURCE

#include "fork.h"

enum { guard_count = 2 };

/// In the order in which they are taken.
static struct clinux_guard *const guards[guard_count] = {&clinux_exit_guard, &clinux_descriptor_guard};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;

static void before_fork(void) {
    for (int index = 0; index < guard_count; index++)
        guards[index]->is_held_by_fork = pthread_mutex_lock(&guards[index]->mutex) == 0;
}

static void after_fork_in_parent(void) {
    for (int index = guard_count - 1; index >= 0; index--)
        if (guards[index]->is_held_by_fork) pthread_mutex_unlock(&guards[index]->mutex);
}

static void after_fork_in_child(void) {
    for (int index = 0; index < guard_count; index++) {
        guards[index]->give_up();
        // Not unlocked: an error-checking mutex takes the child's thread for another one.
        guards[index]->mutex = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    }
}

static void watch_forks(void) { once_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

int clinux_enter(struct clinux_guard *guard) {
    pthread_once(&once, watch_forks);
    return once_error ? -once_error : -pthread_mutex_lock(&guard->mutex);
}

void clinux_leave(struct clinux_guard *guard) { pthread_mutex_unlock(&guard->mutex); }
