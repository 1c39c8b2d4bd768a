// sharedmem_wait: what it gives, how it ends, and who may call it when.

#include "handle.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool same(sharedmem_version_t one, sharedmem_version_t other) {
    return one.instance == other.instance && one.number == other.number;
}

static sharedmem_version_t version_of(sharedmem_t *segment) {
    sharedmem_version_t version;
    CHECK(sharedmem_version(segment, &version) == 0);
    return version;
}

static void other_versions_are_replaced_at_once(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t none = {0, 0}, present, seen = none;
    CHECK(sharedmem_set(segment, "a", 1, &present) == 0);
    CHECK(sharedmem_wait(segment, none, -1, &seen) == 0 && same(seen, present));
    CHECK(sharedmem_wait(segment, (sharedmem_version_t){present.instance, 0}, 0, &seen) == 0 && same(seen, present));
    CHECK(sharedmem_wait(segment, (sharedmem_version_t){present.instance ^ 1, 1}, 0, &seen) == 0);
    CHECK(sharedmem_wait(segment, none, INT_MIN, NULL) == 0);
    // What was given becomes what comes next is to be after.
    seen = none;
    CHECK(sharedmem_wait(segment, seen, -1, &seen) == 0 && same(seen, present));
    CHECK(*sharedmem_last_error() == 0);
    CHECK(sharedmem_detach(segment) == 0);
}

static void time_is_up_when_nothing_changed(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t present = version_of(segment), seen = {7, 7};
    const int milliseconds[] = {0, 1, 50, 1200};
    for (int i = 0; i < 4; i++) {
        double start = seconds();
        REFUSED(sharedmem_wait(segment, present, milliseconds[i], &seen), ETIMEDOUT);
        CHECK(seconds() - start >= milliseconds[i] / 1000.0);
        CHECK(seen.instance == 7 && seen.number == 7);
    }
    REFUSED(sharedmem_wait(segment, present, 0, NULL), ETIMEDOUT);
    CHECK(strstr(sharedmem_last_error(), " 0 ms"));
    CHECK(sharedmem_detach(segment) == 0);
}

static void null_is_refused(void) {
    sharedmem_version_t version = {0, 0};
    REFUSED(sharedmem_wait(NULL, version, 0, &version), EINVAL);
    CHECK(strstr(sharedmem_last_error(), "sharedmem_wait: segment "));
    REFUSED(sharedmem_wait(NULL, version, -1, NULL), EINVAL);
}

struct waiter {
    pthread_t thread;
    sharedmem_t *segment;
    sharedmem_version_t after, seen;
    int timeout, result, error;
};

static void *run(void *context) {
    struct waiter *waiter = context;
    waiter->result = sharedmem_wait(waiter->segment, waiter->after, waiter->timeout, &waiter->seen);
    waiter->error = errno;
    return NULL;
}

static void start(struct waiter *waiter, sharedmem_t *segment, int timeout) {
    *waiter = (struct waiter){.segment = segment, .after = version_of(segment), .timeout = timeout};
    CHECK(pthread_create(&waiter->thread, NULL, run, waiter) == 0);
}

static void ends_with(struct waiter *waiter, sharedmem_version_t version) {
    CHECK(pthread_join(waiter->thread, NULL) == 0);
    CHECK(waiter->result == 0 && same(waiter->seen, version));
}

static void all_threads_are_woken(void) {
    struct waiter waiters[50];
    sharedmem_t *segment = attach(), *other = attach(), *reader = attach_with(0, SHAREDMEM_READ_ONLY);
    sharedmem_t *const segments[] = {segment, other, reader};
    sharedmem_version_t version;
    const int timeouts[] = {-1, INT_MAX, 30000};
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 50; i++) start(&waiters[i], segments[i % 3], timeouts[i / 3 % 3]);
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
        exit(0);
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
        sharedmem_version_t present = version_of(segment), seen = present;
        signals = 0;
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        REFUSED(sharedmem_wait(segment, present, timeouts[i], &seen), EINTR);
        CHECK(signals == 1 && same(seen, present));
    }
    CHECK(sharedmem_detach(segment) == 0);
}

static void handled_signal_ends_it(void) { interrupted(0); }

static void handled_signal_ends_it_also_where_calls_begin_again(void) { interrupted(SA_RESTART); }

static void removed(sharedmem_t *segment, sharedmem_t *(*replacement)(void)) {
    struct waiter waiters[2];
    sharedmem_version_t present = version_of(segment);
    for (int i = 0; i < 2; i++) start(&waiters[i], segment, i ? -1 : 30000);
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
    REFUSED(sharedmem_wait(segment, present, 0, NULL), EIDRM);
    CHECK(strstr(sharedmem_last_error(), "test"));
    // What is known to be another is given all the same.
    sharedmem_version_t seen = {0, 0};
    CHECK(sharedmem_wait(segment, seen, 0, &seen) == 0 && same(seen, present));
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

/// A child forked while its parent waits waits itself, and ends without disturbing it.
static void forked_child_waits_itself(void) {
    sharedmem_t *segment = attach();
    set(segment, "padre");
    sharedmem_version_t version;
    for (int round = 0; round < 10; round++) {
        struct waiter waiters[3];
        for (int i = 0; i < 3; i++) start(&waiters[i], segment, 30000);
        usleep(5000);
        pid_t children[4];
        sharedmem_version_t before = version_of(segment);
        for (int i = 0; i < 4; i++) {
            CHECK((children[i] = fork()) >= 0);
            if (children[i] == 0) {
                alarm(20);
                sharedmem_version_t seen;
                if (i == 2) CHECK(sharedmem_detach(segment) == 0);
                if (i < 2) CHECK(sharedmem_wait(segment, before, -1, &seen) == 0 && seen.number == before.number + 1);
                if (i == 3) CHECK(sharedmem_wait(segment, before, -1, &seen) == 0 && raise(SIGKILL) == 0);
                i % 2 ? exit(0) : _exit(0);
            }
        }
        usleep(5000);
        CHECK(sharedmem_set(segment, "otra vez", 8, &version) == 0);
        for (int i = 0; i < 3; i++) end_well(children[i]);
        CHECK(waitpid(children[3], NULL, 0) == children[3]);
        for (int i = 0; i < 3; i++) ends_with(&waiters[i], version);
    }
    CHECK(exists("test") && sharedmem_detach(segment) == 0 && !exists("test"));
}

static void child_hears_what_its_parent_set_before_it_asked(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t before = version_of(segment);
    set(segment, "padre");
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(sharedmem_wait(segment, before, -1, &before) == 0 && before.number == 1);
        REFUSED(sharedmem_wait(segment, before, 20, NULL), ETIMEDOUT);
        exit(0);
    }
    end_well(child);
    CHECK(exists("test") && sharedmem_detach(segment) == 0);
}

MAIN(TEST(other_versions_are_replaced_at_once), TEST(time_is_up_when_nothing_changed), TEST(null_is_refused),
     TEST(all_threads_are_woken), TEST(sets_of_other_processes_are_heard), TEST(handled_signal_ends_it),
     TEST(handled_signal_ends_it_also_where_calls_begin_again), TEST(removed_name_ends_it),
     TEST(name_of_another_ends_it), TEST(removed_name_ends_it_for_readers), TEST(forked_child_waits_itself),
     TEST(child_hears_what_its_parent_set_before_it_asked))
