// sharedmem_wait: its results, how it ends, and which threads may call it when.

#include "waiter.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void other_versions_are_replaced_at_once(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t none = {0, 0}, current, seen = none;
    CHECK(sharedmem_set(segment, "a", 1, &current) == 0);
    CHECK(sharedmem_wait(segment, none, -1, &seen) == 0 && same(seen, current));
    CHECK(sharedmem_wait(segment, (sharedmem_version_t){current.instance, 0}, 0, &seen) == 0 && same(seen, current));
    CHECK(sharedmem_wait(segment, (sharedmem_version_t){current.instance ^ 1, 1}, 0, &seen) == 0);
    CHECK(sharedmem_wait(segment, none, INT_MIN, NULL) == 0);
    // What was given becomes what comes next is to be after.
    seen = none;
    CHECK(sharedmem_wait(segment, seen, -1, &seen) == 0 && same(seen, current));
    CHECK(*sharedmem_last_error() == 0);
    CHECK(sharedmem_detach(segment) == 0);
}

static void time_is_up_when_nothing_changed(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t current = version_of(segment), seen = {7, 7};
    const int milliseconds[] = {0, 1, 50, 1200};
    for (int i = 0; i < 4; i++) {
        double start = seconds();
        REFUSED(sharedmem_wait(segment, current, milliseconds[i], &seen), ETIMEDOUT);
        CHECK(seconds() - start >= milliseconds[i] / 1000.0);
        CHECK(seen.instance == 7 && seen.number == 7);
    }
    REFUSED(sharedmem_wait(segment, current, 0, NULL), ETIMEDOUT);
    CHECK(strstr(sharedmem_last_error(), " 0 ms"));
    CHECK(sharedmem_detach(segment) == 0);
}

static void null_is_refused(void) {
    sharedmem_version_t version = {0, 0};
    REFUSED(sharedmem_wait(NULL, version, 0, &version), EINVAL);
    CHECK(strstr(sharedmem_last_error(), "sharedmem_wait: segment "));
    REFUSED(sharedmem_wait(NULL, version, -1, NULL), EINVAL);
}

static void all_threads_are_woken(void) {
    struct waiter waiters[50];
    sharedmem_t *segment = attach(), *other = attach(), *reader = attach_with(0, SHAREDMEM_READ_ONLY);
    sharedmem_t *const segments[] = {segment, other, reader};
    sharedmem_version_t version;
    const int timeouts[] = {-1, INT_MAX, 30000};
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 50; i++) start_waiting(&waiters[i], segments[i % 3], timeouts[i / 3 % 3]);
        usleep(20000);
        CHECK(sharedmem_set(segment, "x", 1, &version) == 0);
        for (int i = 0; i < 50; i++) ends_with(&waiters[i], version);
    }
    CHECK(sharedmem_detach(reader) == 0 && sharedmem_detach(other) == 0 && sharedmem_detach(segment) == 0);
    CHECK(!exists("test"));
}

static void sets_of_other_processes_are_heard(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t seen = version_of(segment);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 100; i++) set(segment, "hijo"), usleep(1000);
        set(segment, "fin");
        _exit(0);
    }
    uint64_t last = seen.number;
    while (last < 101) {
        CHECK(sharedmem_wait(segment, seen, 30000, &seen) == 0);
        CHECK(seen.number > last);
        last = seen.number;
    }
    end_well(child);
    CHECK(holds(segment, "fin"));
    CHECK(sharedmem_detach(segment) == 0);
}

static volatile sig_atomic_t signals;

static void count(int number) {
    (void)number;
    signals++;
}

static void interrupted(int flags) {
    sharedmem_t *segment = attach();
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval soon = {{0, 0}, {0, 20000}};
    const int timeouts[] = {-1, 30000};
    for (int i = 0; i < 2; i++) {
        sharedmem_version_t current = version_of(segment), seen = current;
        signals = 0;
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        REFUSED(sharedmem_wait(segment, current, timeouts[i], &seen), EINTR);
        CHECK(signals == 1 && same(seen, current));
    }
    CHECK(sharedmem_detach(segment) == 0);
}

static void handled_signal_ends_it(void) { interrupted(0); }

static void handled_signal_ends_it_also_where_calls_begin_again(void) { interrupted(SA_RESTART); }

static void removed(sharedmem_t *segment, sharedmem_t *(*replacement)(void)) {
    struct waiter waiters[2];
    sharedmem_version_t current = version_of(segment);
    for (int i = 0; i < 2; i++) start_waiting(&waiters[i], segment, i ? -1 : 30000);
    usleep(20000);
    double begin = seconds();
    CHECK(unlink(path_of("test")) == 0);
    sharedmem_t *other = replacement ? replacement() : NULL;
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(waiters[i].thread, NULL) == 0);
        CHECK(waiters[i].result == -1 && waiters[i].error == EIDRM);
    }
    // A second, and room for a machine that is busy.
    CHECK(seconds() - begin < 2.5);
    REFUSED(sharedmem_wait(segment, current, 0, NULL), EIDRM);
    CHECK(strstr(sharedmem_last_error(), "test"));
    // What is known to be another is given all the same.
    sharedmem_version_t seen = {0, 0};
    CHECK(sharedmem_wait(segment, seen, 0, &seen) == 0 && same(seen, current));
    CHECK(sharedmem_detach(other) == 0 && sharedmem_detach(segment) == 0);
}

static void removed_name_ends_it(void) { removed(attach(), NULL); }

static void name_of_another_ends_it(void) { removed(attach(), attach); }

static void removed_name_ends_it_for_readers(void) {
    sharedmem_t *segment = attach();
    set(segment, "x");
    removed(attach_with(0, SHAREDMEM_READ_ONLY), NULL);
    CHECK(sharedmem_detach(segment) == 0);
}

MAIN(TEST(other_versions_are_replaced_at_once), TEST(time_is_up_when_nothing_changed), TEST(null_is_refused),
     TEST(all_threads_are_woken), TEST(sets_of_other_processes_are_heard), TEST(handled_signal_ends_it),
     TEST(handled_signal_ends_it_also_where_calls_begin_again), TEST(removed_name_ends_it),
     TEST(name_of_another_ends_it), TEST(removed_name_ends_it_for_readers))
