#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct call {
    struct call *next;
    void *object;
    void (*leave)(void *object);
};

static struct call *calls;
// As in descriptors.c.
static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static bool locked_for_fork;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_error;

static void before_fork(void) { locked_for_fork = pthread_mutex_lock(&mutex) == 0; }

static void after_fork_in_parent(void) {
    if (locked_for_fork) pthread_mutex_unlock(&mutex);
}

static void after_fork_in_child(void) {
    // The objects are the parent's. Nothing is freed: a child may not trust the allocator.
    calls = NULL;
    mutex = (pthread_mutex_t)PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
}

static void at_exit(void) {
    if (pthread_mutex_lock(&mutex)) return;
    for (struct call *each = calls; each; each = each->next) each->leave(each->object);
    pthread_mutex_unlock(&mutex);
}

static void watch_process(void) {
    once_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (once_error == 0 && atexit(at_exit) != 0) once_error = ENOMEM;
}

int clinux_call_at_exit(void *object, void (*leave)(void *object)) {
    pthread_once(&once, watch_process);
    if (once_error) return -once_error;
    struct call *call = malloc(sizeof *call);
    if (!call) return -ENOMEM;
    int error = pthread_mutex_lock(&mutex);
    if (error) {
        free(call);
        return -error;
    }
    *call = (struct call){calls, object, leave};
    calls = call;
    pthread_mutex_unlock(&mutex);
    return 0;
}

void clinux_do_not_call_at_exit(const void *object) {
    if (pthread_mutex_lock(&mutex)) return;
    struct call **link = &calls;
    while (*link && (*link)->object != object) link = &(*link)->next;
    struct call *found = *link;
    if (found) *link = found->next;
    pthread_mutex_unlock(&mutex);
    free(found);
}

int clinux_name_thread(const char *name) { return -pthread_setname_np(pthread_self(), name); }

const char *clinux_environment(const char *name) { return secure_getenv(name); }

const char *clinux_program_name(void) { return program_invocation_short_name; }
