// Processes that are linked with the library and exit while their threads read and set.

#include "handle.h"
#include "linger.h"

static sharedmem_t *segment;

static void *keep_borrowing(void *unused) {
    (void)unused;
    while (true) {
        sharedmem_borrow_t borrow;
        CHECK(sharedmem_borrow(segment, &borrow) == 0);
        CHECK(borrow_holds(&borrow, "texto"));
        sharedmem_release(segment, &borrow);
    }
    return NULL;
}

static void *keep_reading(void *unused) {
    (void)unused;
    wchar_t buffer[100];
    while (true) {
        GetSharedMem(buffer, 100);
        CHECK(wcscmp(buffer, L"texto") == 0);
    }
    return NULL;
}

static void *keep_setting(void *unused) {
    (void)unused;
    while (true) {
        // The process has left the segment when its exit handlers have run: then the segment may be gone.
        CHECK(sharedmem_set(segment, "texto", 5, NULL) == 0 || errno == EIDRM);
        SetSharedMem(L"texto");
    }
    return NULL;
}

static void *(*const work[])(void *) = {keep_borrowing, keep_reading, keep_setting};

static void end_amid_work(void) {
    segment = attach();
    set(segment, "texto");
    SetSharedMem(L"texto");
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work[i], NULL) == 0);
    }
    usleep(2000);
    linger_at_the_end();
}

/// Runs a case in processes of its own, from loading to exit. (This process is attached to `shared`.)
static void run_often(const char *name) {
    CHECK(setenv("SHAREDMEM_NAME", "theirs", 1) == 0);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            execl("/proc/self/exe", "endings", name, NULL);
            _exit(127);
        }
        end_well(child);
        CHECK(!exists("test") && !exists("theirs"));
    }
}

static void threads_may_go_on_to_the_end(void) { run_often("end_amid_work"); }

static void end_with_a_borrow(void) {
    segment = attach();
    set(segment, "texto");
    sharedmem_borrow_t borrow;
    CHECK(sharedmem_borrow(segment, &borrow) == 0);
}

static void *begin_late(void *unused) {
    // Until the library is unloaded, and leaves the segment to the parent.
    sharedmem_info_t info = {.attachments = 2};
    while (info.attachments > 1) {
        CHECK(sharedmem_info(NULL, NULL, &info) == 0);
        usleep(100);
    }
    wchar_t buffer[2] = {1, 1};
    errno = 0;
    GetSharedMem(buffer, 2);
    CHECK(errno == ESHUTDOWN && buffer[0] == 0 && *sharedmem_last_error());
    return unused;
}

static void end_before_the_first_use(void) {
    if (!getenv("SHAREDMEM_NAME")) return; // It needs a segment that exists when it is loaded.
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, begin_late, NULL) == 0);
    linger_at_the_end();
}

static void first_use_may_come_after_the_end(void) {
    sharedmem_t *theirs = sharedmem_attach("theirs", NULL);
    CHECK(theirs && setenv("SHAREDMEM_NAME", "theirs", 1) == 0);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            execl("/proc/self/exe", "endings", "end_before_the_first_use", NULL);
            _exit(127);
        }
        end_well(child);
        CHECK(exists("theirs"));
    }
    CHECK(sharedmem_detach(theirs) == 0 && !exists("theirs"));
}

static void open_borrow_ends_with_the_process(void) { run_often("end_with_a_borrow"); }

static void end_unused(void) {}

static void unused_library_leaves_nothing(void) { run_often("end_unused"); }

MAIN(TEST(threads_may_go_on_to_the_end), TEST(end_amid_work), TEST(first_use_may_come_after_the_end),
     TEST(end_before_the_first_use), TEST(open_borrow_ends_with_the_process),
     TEST(end_with_a_borrow), TEST(unused_library_leaves_nothing), TEST(end_unused))
