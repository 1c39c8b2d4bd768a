// Attached processes that fork and do not exec.

#include "waiter.h"

#include <fcntl.h>
#include <signal.h>

/// A child that attaches, reports that, and waits until it is told to go on.
struct child {
    pid_t id;
    int said, told;
};

static void say(int descriptor) { CHECK(write(descriptor, "x", 1) == 1); }

static void hear(int descriptor) {
    char byte;
    CHECK(read(descriptor, &byte, 1) == 1);
}

static void hear_end(int descriptor) {
    char byte;
    CHECK(read(descriptor, &byte, 1) == 0);
}

static struct child start(void (*run)(int say_to, int hear_from)) {
    int up[2], down[2];
    CHECK(pipe(up) == 0 && pipe(down) == 0);
    pid_t id = fork();
    CHECK(id >= 0);
    if (id == 0) {
        close(up[0]);
        close(down[1]);
        run(up[1], down[0]);
        exit(0);
    }
    close(up[1]);
    close(down[0]);
    return (struct child){id, up[0], down[1]};
}

static sharedmem_t *inherited;

static void set_as_told(int say_to, int hear_from) {
    CHECK(holds(inherited, "padre"));
    set(inherited, "hijo");
    CHECK(holds(inherited, "hijo"));
    say(say_to);
    hear(hear_from);
}

static void child_sets_and_ends_first(void) {
    inherited = attach();
    set(inherited, "padre");
    sharedmem_version_t before, after;
    CHECK(sharedmem_version(inherited, &before) == 0);
    struct child child = start(set_as_told);
    hear(child.said);
    CHECK(holds(inherited, "hijo"));
    say(child.told);
    end_well(child.id);
    CHECK(exists("test") && holds(inherited, "hijo"));
    set(inherited, "padre otra vez");
    CHECK(sharedmem_version(inherited, &after) == 0);
    CHECK(after.instance == before.instance && after.number == before.number + 2);
    CHECK(sharedmem_detach(inherited) == 0);
    CHECK(!exists("test"));
}

static void killed_child_takes_nothing_along(void) {
    inherited = attach();
    set(inherited, "padre");
    struct child child = start(set_as_told);
    hear(child.said);
    CHECK(kill(child.id, SIGKILL) == 0 && waitpid(child.id, NULL, 0) == child.id);
    CHECK(exists("test") && holds(inherited, "hijo"));
    set(inherited, "padre otra vez");
    CHECK(sharedmem_detach(inherited) == 0 && !exists("test"));
}

/// Whether a lock on the segment's lifetime byte, which all attached processes share, is held through any descriptor.
static bool somebody_is_attached(void) {
    int file = open(path_of("test"), O_RDWR | O_CLOEXEC);
    CHECK(file >= 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 12, .l_len = 1};
    CHECK(fcntl(file, F_OFD_GETLK, &lock) == 0 && close(file) == 0);
    return lock.l_type == F_RDLCK;
}

static void child_with_its_parents_descriptors_leaves_its_parent_attached(void) {
    inherited = attach();
    set(inherited, "padre");
    int numbers[16], copies[16], count = 0;
    struct stat file, each;
    CHECK(stat(path_of("test"), &file) == 0);
    for (int number = 0; number < 100; number++) {
        if (fstat(number, &each) < 0 || each.st_ino != file.st_ino || each.st_dev != file.st_dev) continue;
        CHECK(count < 16);
        numbers[count] = number;
        copies[count++] = fcntl(number, F_DUPFD_CLOEXEC, 200);
    }
    CHECK(count > 0 && somebody_is_attached());
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        // The locks belong to the open files, which the child shares with its parent.
        for (int i = 0; i < count; i++) CHECK(dup2(copies[i], numbers[i]) == numbers[i]);
        exit(0);
    }
    end_well(child);
    CHECK(somebody_is_attached());
    for (int i = 0; i < count; i++) close(copies[i]);
    CHECK(sharedmem_detach(inherited) == 0 && !exists("test"));
}

static void child_without_a_call_takes_nothing_along(void) {
    inherited = attach();
    set(inherited, "padre");
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) i % 2 ? exit(0) : _exit(0);
        end_well(child);
        CHECK(exists("test") && holds(inherited, "padre"));
    }
    CHECK(sharedmem_detach(inherited) == 0 && !exists("test"));
}

static void child_detaches_only_its_own(void) {
    inherited = attach();
    set(inherited, "padre");
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (i == 1) CHECK(holds(inherited, "padre"));
            CHECK(sharedmem_detach(inherited) == 0);
            CHECK(exists("test"));
            exit(0);
        }
        end_well(child);
        CHECK(exists("test") && holds(inherited, "padre"));
    }
    CHECK(sharedmem_detach(inherited) == 0 && !exists("test"));
}

static void child_at_other_segments_takes_nothing_along(void) {
    inherited = attach();
    set(inherited, "padre");
    GetSharedMem(NULL, 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        // Their descriptors get the numbers that its parent's have.
        sharedmem_t *one = sharedmem_attach("one", NULL), *two = sharedmem_attach("two", NULL);
        CHECK(one && two);
        exit(0);
    }
    end_well(child);
    CHECK(exists("test") && holds(inherited, "padre") && !exists("one") && !exists("two"));
    CHECK(sharedmem_detach(inherited) == 0 && !exists("test"));
}

static int outlives[2];

static void outlive_the_parent(int say_to, int hear_from) {
    close(outlives[0]);
    CHECK(holds(inherited, "padre"));
    say(say_to);
    char byte;
    CHECK(read(hear_from, &byte, 1) == 0); // The parent has ended.
    CHECK(exists("test") && holds(inherited, "padre"));
    set(inherited, "hijo");
    sharedmem_t *another = attach();
    CHECK(holds(another, "hijo"));
    CHECK(sharedmem_detach(another) == 0 && exists("test"));
    say(outlives[1]);
}

static void parent_ends_first(void) {
    CHECK(pipe(outlives) == 0);
    pid_t parent = fork();
    CHECK(parent >= 0);
    if (parent == 0) {
        inherited = attach();
        set(inherited, "padre");
        struct child child = start(outlive_the_parent);
        hear(child.said);
        exit(0);
    }
    close(outlives[1]);
    end_well(parent);
    hear(outlives[0]);
    hear_end(outlives[0]);
    // Its pipe closes after its exit handlers have run.
    CHECK(!exists("test"));
}

static void wide_functions_go_on_in_a_child(void) {
    SetSharedMem(L"padre");
    wchar_t text[20];
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        GetSharedMem(text, 20);
        CHECK(wcscmp(text, L"padre") == 0);
        SetSharedMem(L"hijo");
        CHECK(*sharedmem_last_error() == 0);
        exit(0);
    }
    end_well(child);
    GetSharedMem(text, 20);
    CHECK(wcscmp(text, L"hijo") == 0 && exists("shared"));
}

static void grandchildren_go_on(void) {
    inherited = attach();
    set(inherited, "0");
    for (int generation = 1; generation <= 5; generation++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child) {
            end_well(child);
            CHECK(exists("test") && holds(inherited, "5"));
            if (generation == 1) break;
            exit(0);
        }
        char text[2] = {(char)('0' + generation), 0};
        set(inherited, text);
        if (generation == 5) exit(0);
    }
    CHECK(sharedmem_detach(inherited) == 0 && !exists("test"));
}

static bool stop;

static void call_everything(const char *text) {
    wchar_t wide[9];
    set(inherited, text);
    SetSharedMem(L"hilo");
    GetSharedMem(wide, 9);
    CHECK(*sharedmem_last_error() == 0);
    sharedmem_t *another = attach();
    set(another, text);
    CHECK(sharedmem_detach(another) == 0);
}

static void *keep_calling(void *unused) {
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) call_everything("hilo");
    return unused;
}

static void fork_amid_another_threads_calls(void) {
    inherited = attach();
    // What the Swift runtime does once, at a first call, under a lock of its own, is not made for forking.
    call_everything("padre");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, keep_calling, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(20);
            call_everything("hijo");
            i % 2 ? exit(0) : _exit(0);
        }
        end_well(child);
        CHECK(exists("test") && exists("shared"));
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(sharedmem_detach(inherited) == 0 && !exists("test"));
}

/// A child that is forked while its parent waits can wait too, and ends without disturbing the parent.
static void forked_child_waits_itself(void) {
    sharedmem_t *segment = attach();
    set(segment, "padre");
    sharedmem_version_t version;
    for (int round = 0; round < 10; round++) {
        struct waiter waiters[3];
        for (int i = 0; i < 3; i++) start_waiting(&waiters[i], segment, 30000);
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

MAIN(TEST(child_sets_and_ends_first), TEST(killed_child_takes_nothing_along),
     TEST(child_without_a_call_takes_nothing_along), TEST(child_detaches_only_its_own),
     TEST(child_at_other_segments_takes_nothing_along), TEST(parent_ends_first),
     TEST(child_with_its_parents_descriptors_leaves_its_parent_attached),
     TEST(wide_functions_go_on_in_a_child), TEST(grandchildren_go_on), TEST(fork_amid_another_threads_calls),
     TEST(forked_child_waits_itself), TEST(child_hears_what_its_parent_set_before_it_asked))
