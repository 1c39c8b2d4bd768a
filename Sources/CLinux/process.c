#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct attachment {
    struct attachment *next;
    int descriptor;
    void *object;
    void (*at_exit)(void *object);
};

static struct attachment *attachments;
// Held across fork, so that a child always finds the list whole.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int hooks_error;

static void before_fork(void) { pthread_mutex_lock(&mutex); }

static void after_fork_in_parent(void) { pthread_mutex_unlock(&mutex); }

static void after_fork_in_child(void) {
    for (struct attachment *each = attachments; each; each = each->next) close(each->descriptor);
    attachments = NULL; // Not freed: the allocator belongs to whatever thread was in it.
    pthread_mutex_unlock(&mutex);
}

static void at_exit(void) {
    pthread_mutex_lock(&mutex);
    for (struct attachment *each = attachments; each; each = each->next) each->at_exit(each->object);
    pthread_mutex_unlock(&mutex);
}

static void install_hooks(void) {
    hooks_error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    if (hooks_error == 0 && atexit(at_exit) != 0) hooks_error = ENOMEM;
}

int clinux_lock_attachments(void) {
    pthread_once(&once, install_hooks);
    if (hooks_error) return -hooks_error;
    pthread_mutex_lock(&mutex);
    return 0;
}

void clinux_unlock_attachments(void) { pthread_mutex_unlock(&mutex); }

void clinux_register_attachment(int descriptor, void *object, void (*at_exit)(void *object)) {
    struct attachment *new = malloc(sizeof *new);
    if (!new) abort(); // As the Swift runtime does.
    *new = (struct attachment){attachments, descriptor, object, at_exit};
    attachments = new;
}

void clinux_unregister_attachment(int descriptor) {
    struct attachment **link = &attachments;
    while (*link && (*link)->descriptor != descriptor) link = &(*link)->next;
    struct attachment *found = *link;
    if (found) *link = found->next;
    free(found);
}

const char *clinux_environment(const char *name) { return secure_getenv(name); }

const char *clinux_program_name(void) { return program_invocation_short_name; }
