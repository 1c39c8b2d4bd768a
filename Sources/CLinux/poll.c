#define _GNU_SOURCE

#include "CLinux.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int result(int value) { return value < 0 ? -errno : value; }

int clinux_new_event_descriptor(void) { return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int clinux_new_poll(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }

static int add(int poll, int descriptor, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = descriptor};
    return result(epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event));
}

int clinux_poll_readable(int poll, int descriptor) { return add(poll, descriptor, EPOLLIN); }

int clinux_poll_writable(int poll, int descriptor) { return add(poll, descriptor, EPOLLOUT | EPOLLRDHUP); }

int clinux_poll_no_more(int poll, int descriptor) {
    return result(epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, &(struct epoll_event){0}));
}

int clinux_poll_wait(int poll, struct clinux_poll_event *events, int count, int timeout_milliseconds) {
    struct epoll_event polled[64];
    if (count > 64) count = 64;
    int ready = epoll_wait(poll, polled, count, timeout_milliseconds);
    for (int index = 0; index < ready; index++) {
        events[index].descriptor = polled[index].data.fd;
        events[index].has_left = polled[index].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    }
    return result(ready);
}
