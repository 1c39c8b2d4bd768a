// Measures how much stack each function of the library takes when a thread is the first in its process to call it.
//
// It fails if a thread that calls one needs more than 12 KiB, what every thread needs included. SHAREDMEM_DIRECTORY names a
// directory for its segment.

#include <sharedmem.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SIZE = 256 << 10, MOST = 12 << 10 };

static sharedmem_t *segment;
static char long_text[100000];

static void check(int succeeded) {
    if (succeeded) return;
    fprintf(stderr, "stack: %s\n", sharedmem_last_error());
    exit(1);
}

static void nothing(void) {}
static void attach(void) { check((segment = sharedmem_attach("stack", NULL)) != NULL); }
static void attach_again(void) { check(sharedmem_attach("stack", NULL) == segment && sharedmem_detach(segment) == 0); }
static void set(void) { check(sharedmem_set(segment, "text", 4, NULL) == 0); }
static void set_long(void) { check(sharedmem_set(segment, long_text, sizeof long_text, NULL) == 0); }

static void set_if(void) {
    sharedmem_version_t version;
    check(sharedmem_version(segment, &version) == 0);
    check(sharedmem_set_if(segment, "text", 4, &version, NULL) == 0);
    check(sharedmem_set_if(segment, "text", 4, &version, NULL) != 0);
}

static void get(void) {
    char buffer[8];
    check(sharedmem_get(segment, buffer, sizeof buffer, NULL) >= 0);
}

static void get_alloc(void) {
    char *text = sharedmem_get_alloc(segment, NULL, NULL);
    check(text != NULL);
    sharedmem_free(text);
}

static void borrow(void) {
    sharedmem_borrow_t borrow;
    check(sharedmem_borrow(segment, &borrow) == 0 && sharedmem_release(segment, &borrow) == 0);
}

static void reader(void) {
    sharedmem_reader_t *reader = sharedmem_reader_open(segment);
    check(reader && sharedmem_reader_read(reader));
    sharedmem_reader_close(reader);
}

static void wait_for_change(void) {
    sharedmem_version_t version;
    check(sharedmem_version(segment, &version) == 0);
    sharedmem_wait(segment, version, 10, NULL);
}

static void event_descriptor(void) { check(sharedmem_eventfd(segment) >= 0); }
static void bad_text(void) { check(sharedmem_set(segment, "\xff", 1, NULL) != 0 && *sharedmem_last_error()); }
static void bad_name(void) { check(!sharedmem_attach("no/such", NULL) && *sharedmem_last_error()); }

static void missing(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.flags = SHAREDMEM_READ_ONLY;
    check(!sharedmem_attach("missing", &options) && *sharedmem_last_error());
}

static void info(void) {
    sharedmem_info_t info;
    check(sharedmem_info("stack", NULL, &info) == 0);
}

static void list(void) {
    char names[100];
    check(sharedmem_list(NULL, names, sizeof names) > 0);
}

static void wide(void) {
    wchar_t buffer[20];
    SetSharedMem(L"text");
    check(!*sharedmem_last_error());
    GetSharedMem(buffer, 20);
    check(!*sharedmem_last_error());
}

static void detach(void) { check(sharedmem_detach(segment) == 0); }
static void unlink_name(void) { check(sharedmem_unlink("stack", NULL) != 0 || !*sharedmem_last_error()); }

static void *run(void *function) {
    ((void (*)(void))function)();
    return NULL;
}

/// Returns how many bytes of its stack a thread has written to.
static long measure(void (*function)(void)) {
    unsigned char *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(stack, 0xa5, SIZE);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, SIZE);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, run, (void *)function) != 0) abort();
    pthread_join(thread, NULL);
    long untouched = 0;
    while (untouched < SIZE && stack[untouched] == 0xa5) untouched++;
    munmap(stack, SIZE);
    return SIZE - untouched;
}

int main(void) {
    static const struct {
        const char *name;
        void (*function)(void);
    } functions[] = {
        {"a thread that does nothing", nothing}, {"sharedmem_attach", attach}, {"attaching again", attach_again},
        {"sharedmem_set", set}, {"a long text", set_long}, {"sharedmem_set_if", set_if}, {"sharedmem_get", get},
        {"sharedmem_get_alloc", get_alloc}, {"sharedmem_borrow", borrow}, {"a reader", reader},
        {"sharedmem_wait", wait_for_change}, {"sharedmem_eventfd", event_descriptor}, {"not UTF-8", bad_text},
        {"not a name", bad_name}, {"no such segment", missing}, {"sharedmem_info", info}, {"sharedmem_list", list},
        {"SetSharedMem, GetSharedMem", wide}, {"sharedmem_detach", detach}, {"sharedmem_unlink", unlink_name},
    };
    memset(long_text, 'a', sizeof long_text);
    long most = 0;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        long bytes = measure(functions[i].function);
        printf("%-28s %6ld bytes of stack\n", functions[i].name, bytes);
        if (bytes > most) most = bytes;
    }
    if (most <= MOST) return 0;
    fprintf(stderr, "stack: %ld bytes are more than %d\n", most, MOST);
    return 1;
}
