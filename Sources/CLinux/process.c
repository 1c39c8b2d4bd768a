#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

// A library that is loaded while the process runs has room for so little in the initial block.
__thread uint32_t clinux_pin __attribute__((tls_model("initial-exec")));

int clinux_name_thread(const char *name) { return -pthread_setname_np(pthread_self(), name); }

int clinux_accept(int descriptor) {
    int accepted = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return accepted >= 0 ? accepted : -errno;
}

const char *clinux_environment(const char *name) { return secure_getenv(name); }

const char *clinux_program_name(void) { return program_invocation_short_name; }
