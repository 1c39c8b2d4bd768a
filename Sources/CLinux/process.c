#define _GNU_SOURCE

#include "CLinux.h"
#include "fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct call {
    struct call *next;
    void *object;
    void (*leave)(void *object);
};

static struct call *calls;

/// The objects are the parent's. Nothing is freed: a child must not trust the allocator.
static void forget_calls(void) { calls = NULL; }

struct clinux_guard clinux_exit_guard = {PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, false, forget_calls};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_registered;

static void at_exit(void) {
    if (clinux_enter(&clinux_exit_guard)) return;
    for (struct call *each = calls; each; each = each->next) each->leave(each->object);
    clinux_leave(&clinux_exit_guard);
}

static void register_at_exit(void) { is_registered = atexit(at_exit) == 0; }

int clinux_call_at_exit(void *object, void (*leave)(void *object)) {
    pthread_once(&once, register_at_exit);
    if (!is_registered) return -ENOMEM;
    struct call *call = malloc(sizeof *call);
    if (!call) return -ENOMEM;
    int error = clinux_enter(&clinux_exit_guard);
    if (error) {
        free(call);
        return error;
    }
    *call = (struct call){calls, object, leave};
    calls = call;
    clinux_leave(&clinux_exit_guard);
    return 0;
}

void clinux_do_not_call_at_exit(const void *object) {
    if (clinux_enter(&clinux_exit_guard)) return;
    struct call **link = &calls;
    while (*link && (*link)->object != object) link = &(*link)->next;
    struct call *found = *link;
    if (found) *link = found->next;
    clinux_leave(&clinux_exit_guard);
    free(found);
}

int clinux_name_thread(const char *name) { return -pthread_setname_np(pthread_self(), name); }

const char *clinux_environment(const char *name) { return secure_getenv(name); }

const char *clinux_program_name(void) { return program_invocation_short_name; }
