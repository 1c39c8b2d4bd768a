// Loading and unloading the library that SHAREDMEM_LIBRARY names; this program is not linked with it.

#include "linger.h"

#include <dirent.h>
#include <dlfcn.h>

static void *load(void) {
    void *library = dlopen(getenv("SHAREDMEM_LIBRARY"), RTLD_NOW);
    if (!library) fprintf(stderr, "%s\n", dlerror());
    CHECK(library);
    return library;
}

static void *function(void *library, const char *name) {
    void *address = dlsym(library, name);
    CHECK(address);
    return address;
}

static void set(void *library, const wchar_t *text) {
    void (*set)(const wchar_t *) = function(library, "SetSharedMem");
    const char *(*last_error)(void) = function(library, "sharedmem_last_error");
    set(text);
    if (*last_error()) fprintf(stderr, "%s\n", last_error());
    CHECK(*last_error() == 0);
}

static bool holds(void *library, const wchar_t *text) {
    void (*get)(wchar_t *, uint32_t) = function(library, "GetSharedMem");
    wchar_t buffer[100];
    get(buffer, 100);
    return wcscmp(buffer, text) == 0;
}

static int count_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory);
    int count = 0;
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

/// Counts the mapped pages, and checks that none belongs to a segment.
static long count_pages(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file);
    char line[PATH_MAX + 100];
    unsigned long begin, end, bytes = 0;
    while (fgets(line, sizeof line, file)) {
        CHECK(!strstr(line, ".sharedmem"));
        CHECK(sscanf(line, "%lx-%lx", &begin, &end) == 2);
        bytes += end - begin;
    }
    fclose(file);
    return (long)bytes / sysconf(_SC_PAGESIZE);
}

/// Loads, uses and unloads the library 1,000 times; the first rounds make the allocations that stay.
static void load_and_unload(void (*use)(void *library)) {
    const int first = 20, last = 1000;
    int descriptors = 0;
    long pages = 0;
    for (int round = 1; round <= last; round++) {
        void *library = load();
        use(library);
        CHECK(dlclose(library) == 0);
        if (round == first) {
            descriptors = count_descriptors();
            pages = count_pages();
        }
    }
    CHECK(count_descriptors() == descriptors);
    // A mapping left by each round would be a page at least. (The Swift runtime leaves 1 kB on the heap.)
    CHECK(count_pages() - pages < last - first);
}

static void see_it_empty_and_set(void *library) {
    CHECK(!exists("shared"));
    CHECK(holds(library, L"") && exists("shared"));
    set(library, L"texto");
    CHECK(holds(library, L"texto"));
}

static void use_nothing(void *library) {
    (void)library;
    CHECK(!exists("shared"));
}

static void unloading_leaves_nothing(void) {
    load_and_unload(see_it_empty_and_set);
    CHECK(!exists("shared"));
}

static void unloading_unused_leaves_nothing(void) {
    load_and_unload(use_nothing);
    CHECK(!exists("shared"));
}

static void use_a_handle(void *library) {
    sharedmem_t *(*attach)(const char *, const sharedmem_options_t *) = function(library, "sharedmem_attach");
    int (*set)(sharedmem_t *, const char *, size_t, sharedmem_version_t *) = function(library, "sharedmem_set");
    int (*detach)(sharedmem_t *) = function(library, "sharedmem_detach");
    sharedmem_t *segment = attach("other", NULL);
    CHECK(segment && set(segment, "texto", 5, NULL) == 0 && detach(segment) == 0);
}

static void unloading_after_a_handle_leaves_nothing(void) {
    load_and_unload(use_a_handle);
    CHECK(!exists("shared") && !exists("other"));
}

static void see_the_others_and_set(void *library) {
    CHECK(holds(library, L"de otro"));
    set(library, L"de otro");
}

/// A library that is loaded keeps a segment that exists, and creates none.
static void unloading_leaves_no_row(void) {
    int ready[2], done[2];
    char byte;
    CHECK(pipe(ready) == 0 && pipe(done) == 0);
    pid_t other = fork();
    CHECK(other >= 0);
    if (other == 0) {
        close(done[1]);
        void *library = load();
        set(library, L"de otro");
        CHECK(write(ready[1], "x", 1) == 1 && read(done[0], &byte, 1) == 0);
        CHECK(holds(library, L"de otro"));
        exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    load_and_unload(see_the_others_and_set);
    CHECK(exists("shared"));
    void *library = load();
    close(done[1]);
    end_well(other);
    CHECK(exists("shared") && holds(library, L"de otro"));
    CHECK(dlclose(library) == 0 && !exists("shared"));
}

static void failing_to_attach_is_reported_and_tried_again(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/later", getenv("SHAREDMEM_DIRECTORY"));
    CHECK(setenv("SHAREDMEM_DIRECTORY", path, 1) == 0);
    void *library = load();
    const char *(*last_error)(void) = function(library, "sharedmem_last_error");
    void (*get)(wchar_t *, uint32_t) = function(library, "GetSharedMem");
    wchar_t buffer[2] = {1, 1};
    CHECK(*last_error() == 0);
    errno = 0;
    get(buffer, 2);
    CHECK(errno == ENOENT && *last_error() && buffer[0] == 0 && buffer[1] == 1);
    CHECK(mkdir(path, 0700) == 0);
    set(library, L"texto");
    CHECK(holds(library, L"texto") && exists("shared"));
    CHECK(dlclose(library) == 0 && !exists("shared"));
    CHECK(rmdir(path) == 0);
}

static void child_that_unloads_takes_nothing_along(void) {
    void *library = load();
    set(library, L"padre");
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            if (i == 1) CHECK(holds(library, L"padre"));
            CHECK(dlclose(library) == 0);
            exit(0);
        }
        end_well(child);
        CHECK(exists("shared") && holds(library, L"padre"));
    }
    CHECK(dlclose(library) == 0 && !exists("shared"));
}

static void *keep_reading(void *library) {
    void (*get)(wchar_t *, uint32_t) = function(library, "GetSharedMem");
    wchar_t buffer[100];
    while (true) {
        get(buffer, 100);
        CHECK(wcscmp(buffer, L"texto") == 0);
    }
    return NULL;
}

static void exit_while_a_thread_reads(void) {
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            void *library = load();
            set(library, L"texto");
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, keep_reading, library) == 0);
            usleep(1000);
            linger_at_the_end();
            exit(0);
        }
        end_well(child);
        CHECK(!exists("shared"));
    }
}

MAIN(TEST(unloading_leaves_nothing), TEST(unloading_unused_leaves_nothing),
     TEST(unloading_after_a_handle_leaves_nothing), TEST(unloading_leaves_no_row),
     TEST(failing_to_attach_is_reported_and_tried_again), TEST(child_that_unloads_takes_nothing_along),
     TEST(exit_while_a_thread_reads))
