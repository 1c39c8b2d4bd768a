// What foreign languages need: errno, scalars, copies, lists, descriptors for event loops; and programs that close what is not theirs.

#include "waiter.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <time.h>

/// After a success, errno is what it was before: a value that no call sets.
#define LEAVES_ERRNO(call)                                                                                             \
    do {                                                                                                               \
        errno = 4242;                                                                                                  \
        CHECK(call);                                                                                                   \
        CHECK(errno == 4242);                                                                                          \
    } while (0)

static void success_leaves_errno(void) {
    sharedmem_t *segment, *read_only;
    sharedmem_version_t version;
    sharedmem_borrow_t borrow;
    sharedmem_reader_t *reader;
    sharedmem_info_t info;
    char text[100];
    wchar_t wide[100];
    char *copy;
    LEAVES_ERRNO((segment = sharedmem_attach("test", NULL)));
    LEAVES_ERRNO((read_only = attach_with(0, SHAREDMEM_READ_ONLY)));
    LEAVES_ERRNO(sharedmem_capacity(segment) == 1 << 20);
    for (int i = 0; i < 20; i++) {
        LEAVES_ERRNO(sharedmem_set(segment, "texto", 5, &version) == 0);
        LEAVES_ERRNO(sharedmem_set_if(segment, "texto", 5, &version, &version) == 0);
        LEAVES_ERRNO(sharedmem_get(i % 2 ? segment : read_only, text, sizeof text, &version) == 5);
        LEAVES_ERRNO(sharedmem_borrow(i % 2 ? segment : read_only, &borrow) == 0);
        LEAVES_ERRNO(sharedmem_release(i % 2 ? segment : read_only, &borrow) == 0);
        LEAVES_ERRNO((reader = sharedmem_reader_open(i % 2 ? segment : read_only)));
        LEAVES_ERRNO(sharedmem_reader_read(reader));
        LEAVES_ERRNO((sharedmem_reader_unpin(reader), sharedmem_reader_close(reader), true));
        LEAVES_ERRNO(sharedmem_version(segment, &version) == 0);
        LEAVES_ERRNO(sharedmem_wait(segment, (sharedmem_version_t){0}, 10, &version) == 0);
        LEAVES_ERRNO(sharedmem_wait_after(segment, 0, 0, 10, &version) == 0);
        LEAVES_ERRNO((copy = sharedmem_get_alloc(segment, NULL, &version)));
        LEAVES_ERRNO((sharedmem_free(copy), true));
        LEAVES_ERRNO(sharedmem_eventfd(segment) >= 0);
        LEAVES_ERRNO(sharedmem_info("test", NULL, &info) == 0);
        LEAVES_ERRNO(sharedmem_list(NULL, text, sizeof text) > 0);
        LEAVES_ERRNO((SetSharedMem(L"texto"), true));
        LEAVES_ERRNO((GetSharedMem(wide, 100), true));
        LEAVES_ERRNO(sharedmem_detach(sharedmem_attach("test", NULL)) == 0);
    }
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        LEAVES_ERRNO(sharedmem_borrow(segment, &borrow) == 0);
        LEAVES_ERRNO(sharedmem_release(segment, &borrow) == 0);
        _exit(0);
    }
    end_well(child);
    LEAVES_ERRNO(sharedmem_unlink("test", NULL) == 0);
    LEAVES_ERRNO(sharedmem_detach(read_only) == 0);
    LEAVES_ERRNO(sharedmem_detach(segment) == 0);
}

static void copies_are_the_callers(void) {
    sharedmem_t *segment = attach();
    size_t length = 7;
    sharedmem_version_t version;
    char *empty = sharedmem_get_alloc(segment, &length, &version);
    CHECK(empty && length == 0 && *empty == 0 && version.number == 0);
    set(segment, "ñandú, 東京, 🙂");
    char *copy = sharedmem_get_alloc(segment, &length, NULL);
    set(segment, "otro");
    CHECK(copy && length == strlen("ñandú, 東京, 🙂") && strcmp(copy, "ñandú, 東京, 🙂") == 0);
    sharedmem_free(copy);
    sharedmem_free(empty);
    sharedmem_free(NULL);
    errno = 0;
    CHECK(sharedmem_get_alloc(NULL, NULL, NULL) == NULL && errno == EINVAL);
    CHECK(sharedmem_detach(segment) == 0);
}

static void segments_are_listed_described_and_removed(void) {
    char names[20];
    CHECK(sharedmem_list(NULL, NULL, 0) == 0);
    sharedmem_t *one = sharedmem_attach("uno", NULL), *two = sharedmem_attach("dos", NULL);
    CHECK(one && two);
    CHECK(sharedmem_list(NULL, names, sizeof names) == 8 && strcmp(names, "dos\nuno\n") == 0);
    CHECK(sharedmem_list(NULL, names, 5) == 8 && strcmp(names, "dos\n") == 0);
    CHECK(sharedmem_list(getenv("SHAREDMEM_DIRECTORY"), names, sizeof names) == 8);
    REFUSED(sharedmem_list("/no/such/directory", names, sizeof names), ENOENT);
    REFUSED(sharedmem_list(NULL, NULL, 1), EINVAL);

    sharedmem_info_t info;
    CHECK(sharedmem_info("uno", NULL, &info) == 0);
    CHECK(info.length == 0 && info.version.number == 0 && info.setter_process == 0 && *info.setter_program == 0);
    set(one, "texto");
    CHECK(sharedmem_info("uno", NULL, &info) == 0);
    CHECK(info.capacity == 1 << 20 && info.length == 5 && info.version.number == 1 && info.flags == 0);
    CHECK(info.mode == 0600 && info.owner == geteuid() && info.memory > 0 && info.memory <= 1 << 16);
    CHECK(info.rows == 1 && info.row_count == 1024 && info.pins == 0 && info.pin_count == 1024);
    CHECK(info.attachments == 1);
    CHECK(info.setter_process == (uint32_t)getpid() && info.setter_user == geteuid());
    CHECK(strncmp(info.setter_program, program_invocation_short_name, 16) == 0);
    CHECK(info.creation_time <= info.publication_time && info.creation_time / 1000000000 > 1700000000);
    sharedmem_borrow_t borrow;
    sharedmem_t *reader = sharedmem_attach_simple("uno", NULL, 0, SHAREDMEM_READ_ONLY);
    CHECK(reader && sharedmem_borrow(one, &borrow) == 0);
    CHECK(sharedmem_info("uno", NULL, &info) == 0 && info.pins == 1 && info.attachments == 2);
    CHECK(sharedmem_release(one, &borrow) == 0 && sharedmem_detach(reader) == 0);
    REFUSED(sharedmem_info("tres", NULL, &info), ENOENT);
    REFUSED(sharedmem_info("uno", NULL, NULL), EINVAL);

    REFUSED(sharedmem_unlink(NULL, NULL), EINVAL);
    REFUSED(sharedmem_unlink("tres", NULL), ENOENT);
    CHECK(sharedmem_unlink("uno", NULL) == 0 && !exists("uno") && exists("dos"));
    CHECK(holds(one, "texto"));
    CHECK(sharedmem_detach(one) == 0 && sharedmem_detach(two) == 0);
}

// MARK: Event loops

static bool is_readable(int descriptor, int milliseconds) {
    struct pollfd state = {.fd = descriptor, .events = POLLIN};
    return poll(&state, 1, milliseconds) == 1;
}

static void take_event(int descriptor) {
    uint64_t count;
    CHECK(is_readable(descriptor, 20000) && read(descriptor, &count, sizeof count) == sizeof count);
}

static void event_tells_of_each_change(void) {
    sharedmem_t *segment = attach();
    int event = sharedmem_eventfd(segment);
    CHECK(event >= 0 && sharedmem_eventfd(segment) == event);
    take_event(event);
    CHECK(!is_readable(event, 50));
    for (int i = 0; i < 200; i++) {
        char text[20];
        snprintf(text, sizeof text, "%d", i);
        set(segment, text);
        take_event(event);
        CHECK(holds(segment, text));
    }
    // What comes while nobody looks is one event, or two.
    for (int i = 0; i < 100; i++) set(segment, "muchos");
    take_event(event);
    CHECK(sharedmem_unlink("test", NULL) == 0);
    take_event(event);
    while (is_readable(event, 0)) take_event(event);
    sharedmem_version_t version = version_of(segment);
    for (int i = 0; i < 200 && !is_readable(event, 0); i++) {
        if (sharedmem_wait(segment, version, 10, NULL) == -1 && errno == EIDRM) break;
    }
    REFUSED(sharedmem_wait(segment, version, 2000, NULL), EIDRM);
    CHECK(sharedmem_detach(segment) == 0);
    CHECK(fcntl(event, F_GETFD) == -1);
}

static void a_forked_child_has_an_event_of_its_own(void) {
    sharedmem_t *segment = attach();
    int event = sharedmem_eventfd(segment);
    take_event(event);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int own = sharedmem_eventfd(segment);
        CHECK(own >= 0 && own != event);
        take_event(own);
        set(segment, "hijo");
        take_event(own);
        _exit(0);
    }
    end_well(child);
    take_event(event);
    CHECK(holds(segment, "hijo") && sharedmem_detach(segment) == 0);
}

// MARK: Descriptors that are not the program's

/// Closes all descriptors, as daemons do when they start.
static void close_all(void) {
    for (int descriptor = 3; descriptor < 1000; descriptor++) close(descriptor);
}

static void a_program_that_closes_all_descriptors_keeps_its_own_files(void) {
    sharedmem_t *segment = attach_with(0, SHAREDMEM_PERSISTENT);
    set(segment, "antes");
    close_all();
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log", getenv("SHAREDMEM_DIRECTORY"));
    int logs[40];
    for (int i = 0; i < 40; i++) CHECK((logs[i] = open(path, O_CREAT | O_RDWR, 0600)) >= 0);
    CHECK(write(logs[0], "line\n", 5) == 5);
    struct stat status;
    CHECK(holds(segment, "antes"));
    char large[100000];
    memset(large, 'x', sizeof large);
    REFUSED(sharedmem_set(segment, large, sizeof large, NULL), EBADF);
    CHECK(holds(segment, "antes"));
    // Attached again, everything works; what was lost is let go.
    sharedmem_t *again = sharedmem_attach("test", NULL);
    CHECK(again && again != segment && sharedmem_set(again, large, sizeof large, NULL) == 0);
    CHECK(sharedmem_detach(segment) == 0);
    CHECK(sharedmem_get(again, NULL, 0, NULL) == (ssize_t)sizeof large);
    CHECK(sharedmem_detach(again) == 0);
    for (int i = 0; i < 40; i++) CHECK(fstat(logs[i], &status) == 0 && status.st_size == 5 && status.st_blocks <= 8);
    CHECK(unlink(path) == 0 && sharedmem_unlink("test", NULL) == 0);
}

static void the_librarys_own_segment_is_attached_again(void) {
    wchar_t text[20];
    SetSharedMem(L"antes");
    for (int round = 0; round < 3; round++) {
        close_all();
        SetSharedMem(round % 2 ? L"uno" : L"dos");
        CHECK(*sharedmem_last_error() == 0);
        GetSharedMem(text, 20);
        CHECK(wcscmp(text, round % 2 ? L"uno" : L"dos") == 0);
    }
    // What was lost cannot clean up after itself: the next process that attaches would.
    CHECK(sharedmem_unlink("shared", NULL) == 0);
}

static sharedmem_t *shared_handle;
static pthread_barrier_t start;

static void *set_and_read(void *unused) {
    pthread_barrier_wait(&start);
    for (int i = 0; i < 2000; i++) {
        set(shared_handle, "hijo");
        CHECK(holds(shared_handle, "hijo") && sharedmem_eventfd(shared_handle) >= 0);
    }
    return unused;
}

/// The threads of a forked child take turns at the locks of its attachment.
static void threads_of_a_forked_child_use_one_handle(void) {
    shared_handle = attach();
    set(shared_handle, "hijo");
    for (int round = 0; round < 5; round++) {
        pid_t child = fork_bound();
        if (child == 0) {
            pthread_t threads[6];
            CHECK(pthread_barrier_init(&start, NULL, 7) == 0);
            for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, set_and_read, NULL) == 0);
            // The thread that was forked, too: it has another id than in the parent.
            set_and_read(NULL);
            for (int i = 0; i < 6; i++) CHECK(pthread_join(threads[i], NULL) == 0);
            _exit(0);
        }
        end_well(child);
    }
    CHECK(sharedmem_detach(shared_handle) == 0 && !exists("test"));
}

// MARK: Threads of a forked child in Swift's runtime

/// A swift_once_t, with the id of the thread that initializes it.
struct once {
    _Alignas(8) int flag;
    _Atomic int owner;
};

static void (*swift_once)(struct once *once, void (*initialize)(void *context), void *context);
static struct once once;
static _Atomic bool is_initializing;

static void note_initialization(void *initialized) { *(bool *)initialized = true; }

static void initialize_once(void) {
    bool initialized = false;
    struct once own = {0};
    swift_once(&own, note_initialization, &initialized);
    CHECK(initialized);
}

static double seconds(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void await_another_thread(void *initialized) {
    // The id that the kernel has to find there, in order to wake the thread that waits.
    CHECK(once.owner == gettid());
    is_initializing = true;
    double limit = seconds() + 20;
    while (!(once.owner & FUTEX_WAITERS)) {
        CHECK(seconds() < limit);
        sched_yield();
    }
    *(bool *)initialized = true;
}

static void *come_second(void *initialized) {
    while (!is_initializing) sched_yield();
    swift_once(&once, note_initialization, NULL);
    CHECK(*(bool *)initialized);
    return initialized;
}

/// Regression: the runtime took the forked thread for its parent's, and threads that met it in a first use of a type spun.
static void meet_in_the_runtime(void) {
    bool initialized = false;
    pthread_t second;
    CHECK(pthread_create(&second, NULL, come_second, &initialized) == 0);
    swift_once(&once, await_another_thread, &initialized);
    CHECK(initialized && pthread_join(second, NULL) == 0);
}

/// Forks children that fork children, as deep as told.
static void fork_and_meet(int depth) {
    // The runtime asks for the thread's id before the fork, and not only in the child.
    initialize_once();
    pid_t child = fork_bound();
    if (child == 0) {
        if (depth > 1) fork_and_meet(depth - 1);
        meet_in_the_runtime();
        _exit(0);
    }
    end_well(child);
}

static void *fork_and_meet_in_thread(void *unused) {
    fork_and_meet(2);
    return unused;
}

/// Without a handle: that the library is loaded suffices.
static void threads_of_a_forked_child_meet_in_swift_once(void) {
    *(void **)&swift_once = dlsym(RTLD_DEFAULT, "swift_once");
    CHECK(swift_once);
    fork_and_meet(3);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, fork_and_meet_in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void a_forked_child_closes_no_file_of_the_programs(void) {
    sharedmem_t *segment = attach();
    set(segment, "padre");
    close_all();
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log", getenv("SHAREDMEM_DIRECTORY"));
    int logs[40];
    for (int i = 0; i < 40; i++) CHECK((logs[i] = open(path, O_CREAT | O_RDWR, 0600)) >= 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 40; i++) CHECK(fcntl(logs[i], F_GETFD) >= 0);
        CHECK(holds(segment, "padre"));
        set(segment, "hijo");
        _exit(0);
    }
    end_well(child);
    CHECK(holds(segment, "hijo") && unlink(path) == 0);
    sharedmem_detach(segment);
    sharedmem_unlink("test", NULL);
}

// MARK: Children without their parents' rights

static void a_child_that_gives_up_its_rights_reads_on(void) {
    if (geteuid() != 0) return;
    sharedmem_t *segment = attach();
    set(segment, "padre");
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(setgid(12345) == 0 && setuid(12345) == 0);
        sharedmem_borrow_t borrow;
        CHECK(sharedmem_borrow(segment, &borrow) == 0 && borrow_holds(&borrow, "padre"));
        CHECK(sharedmem_release(segment, &borrow) == 0);
        REFUSED(sharedmem_set(segment, "hijo", 4, NULL), EACCES);
        CHECK(strstr(sharedmem_last_error(), "permission"));
        sharedmem_reader_t *reader = sharedmem_reader_open(segment);
        const sharedmem_borrow_t *read = sharedmem_reader_read(reader);
        CHECK(read && borrow_holds(read, "padre"));
        sharedmem_version_t version = read->version;
        CHECK(sharedmem_wait(segment, version, 20000, &version) == 0);
        read = sharedmem_reader_read(reader);
        CHECK(read && borrow_holds(read, "otra vez"));
        sharedmem_reader_close(reader);
        _exit(0);
    }
    usleep(20000);
    set(segment, "otra vez");
    end_well(child);
    CHECK(sharedmem_detach(segment) == 0 && !exists("test"));
}

MAIN(TEST(success_leaves_errno), TEST(copies_are_the_callers), TEST(segments_are_listed_described_and_removed),
     TEST(event_tells_of_each_change), TEST(a_forked_child_has_an_event_of_its_own),
     TEST(a_program_that_closes_all_descriptors_keeps_its_own_files), TEST(the_librarys_own_segment_is_attached_again),
     TEST(a_forked_child_closes_no_file_of_the_programs),
     TEST(threads_of_a_forked_child_use_one_handle), TEST(threads_of_a_forked_child_meet_in_swift_once),
     TEST(a_child_that_gives_up_its_rights_reads_on))
