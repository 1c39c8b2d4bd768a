// sharedmem_reader_*.

#include "handle.h"

static sharedmem_reader_t *open_reader(sharedmem_t *segment) {
    sharedmem_reader_t *reader = sharedmem_reader_open(segment);
    CHECK(reader);
    return reader;
}

static bool reads(sharedmem_reader_t *reader, const char *text) {
    const sharedmem_borrow_t *read = sharedmem_reader_read(reader);
    CHECK(read && read->text);
    return borrow_holds(read, text);
}

static void reads_each_text_in_place(void) {
    sharedmem_t *segment = attach(), *other = attach();
    sharedmem_reader_t *reader = open_reader(segment);
    CHECK(reads(reader, "") && sharedmem_reader_read(reader)->version.number == 0);
    for (int i = 0; i < 1000; i++) {
        char text[20];
        snprintf(text, sizeof text, "texto %d", i);
        set(other, text);
        CHECK(reads(reader, text));
        const sharedmem_borrow_t *read = sharedmem_reader_read(reader);
        CHECK(read->version.number == (uint64_t)i + 1 && read->publication_time / 1000000000 > 1700000000);
        sharedmem_borrow_t borrow;
        CHECK(sharedmem_borrow(segment, &borrow) == 0 && borrow.text == read->text);
        CHECK(borrow.publication_time == read->publication_time);
        sharedmem_release(segment, &borrow);
    }
    sharedmem_reader_close(reader);
    CHECK(sharedmem_detach(segment) == 0 && sharedmem_detach(other) == 0);
}

static void what_was_read_stays(void) {
    sharedmem_t *segment = attach();
    set(segment, "primero");
    sharedmem_reader_t *reader = open_reader(segment);
    const sharedmem_borrow_t *read = sharedmem_reader_read(reader);
    for (int i = 0; i < 10000; i++) set(segment, i % 2 ? "segundo" : "tercero");
    CHECK(borrow_holds(read, "primero") && read->version.number == 1);
    CHECK(reads(reader, "segundo"));
    sharedmem_reader_unpin(reader);
    sharedmem_reader_unpin(reader);
    CHECK(reads(reader, "segundo"));
    sharedmem_reader_close(reader);
    CHECK(sharedmem_detach(segment) == 0);
}

static void a_reader_s_text_is_not_released(void) {
    sharedmem_t *segment = attach();
    set(segment, "primero");
    sharedmem_reader_t *reader = open_reader(segment);
    const sharedmem_borrow_t *read = sharedmem_reader_read(reader);
    sharedmem_borrow_t copy = *read;
    REFUSED(sharedmem_release(segment, &copy), EINVAL);
    for (int i = 0; i < 1000; i++) set(segment, i % 2 ? "segundo" : "tercero");
    CHECK(borrow_holds(read, "primero") && reads(reader, "segundo"));
    sharedmem_reader_close(reader);
    CHECK(sharedmem_detach(segment) == 0);
}

static void detach_is_refused_while_a_reader_is_open(void) {
    sharedmem_t *segment = attach();
    sharedmem_reader_t *reader = open_reader(segment);
    REFUSED(sharedmem_detach(segment), EBUSY); // before it has read anything
    set(segment, "texto");
    CHECK(reads(reader, "texto"));
    REFUSED(sharedmem_detach(segment), EBUSY);
    sharedmem_reader_unpin(reader);
    REFUSED(sharedmem_detach(segment), EBUSY);
    sharedmem_reader_close(reader);
    CHECK(sharedmem_detach(segment) == 0);
}

#define NO_READER(call, error)                                                                                         \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == NULL && errno == (error) && strlen(sharedmem_last_error()) > 10);                              \
    } while (0)

static void what_cannot_be_is_refused(void) {
    NO_READER(sharedmem_reader_open(NULL), EINVAL);
    NO_READER(sharedmem_reader_read(NULL), EINVAL);
    sharedmem_reader_unpin(NULL);
    sharedmem_reader_close(NULL);
}

static void without_a_pin_a_reader_reads_copies(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.pin_count = 10;
    sharedmem_t *segment = sharedmem_attach("test", &options), *read_only = attach_with(0, SHAREDMEM_READ_ONLY);
    CHECK(segment && read_only);
    set(segment, "uno");
    sharedmem_reader_t *readers[20];
    for (int i = 0; i < 20; i++) CHECK(reads(readers[i] = open_reader(i < 15 ? segment : read_only), "uno"));
    const char *text = sharedmem_reader_read(readers[0])->text;
    for (int i = 0; i < 20; i++) CHECK((sharedmem_reader_read(readers[i])->text == text) == (i < 10));
    for (int round = 0; round < 1000; round++) {
        set(segment, round % 2 ? "dos" : "tres");
        for (int i = round % 3; i < 20; i += 3) CHECK(reads(readers[i], round % 2 ? "dos" : "tres"));
    }
    for (int i = 0; i < 20; i++) {
        const sharedmem_borrow_t *read = sharedmem_reader_read(readers[i]);
        sharedmem_version_t version;
        CHECK(sharedmem_version(segment, &version) == 0 && read->version.number == version.number);
        CHECK(read->publication_time == sharedmem_reader_read(readers[0])->publication_time);
    }
    for (int i = 0; i < 20; i++) sharedmem_reader_close(readers[i]);
    CHECK(sharedmem_detach(read_only) == 0 && sharedmem_detach(segment) == 0 && !exists("test"));
}

/// In a child: reads with its parent's reader each time that the text changes.
static void child_reads_on(void) {
    sharedmem_t *segment = attach();
    set(segment, "primero");
    sharedmem_reader_t *used = open_reader(segment), *unused = open_reader(segment), *closed = open_reader(segment);
    // Only this reader's pin keeps the first text.
    const sharedmem_borrow_t *kept = sharedmem_reader_read(used);
    set(segment, "padre");
    CHECK(reads(unused, "padre") && reads(closed, "padre"));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        sharedmem_reader_close(closed);
        sharedmem_reader_unpin(unused);
        CHECK(reads(used, "padre"));
        for (int i = 0; i < 400; i++) set(segment, i % 2 ? "hijo" : "hija");
        CHECK(reads(used, "hijo"));
        sharedmem_reader_close(used);
        // Not exit(): to LeakSanitizer, what the parent has attached is a leak here.
        _exit(0);
    }
    end_well(child);
    // The child has not released the parent's pin.
    for (int i = 0; i < 400; i++) set(segment, i % 2 ? "otro" : "otra");
    CHECK(borrow_holds(kept, "primero"));
    CHECK(reads(used, "otro") && reads(unused, "otro") && reads(closed, "otro"));
    sharedmem_reader_close(used);
    sharedmem_reader_close(unused);
    sharedmem_reader_close(closed);
    CHECK(sharedmem_detach(segment) == 0 && !exists("test"));
}

MAIN(TEST(reads_each_text_in_place), TEST(what_was_read_stays),
     TEST(a_reader_s_text_is_not_released), TEST(detach_is_refused_while_a_reader_is_open),
     TEST(what_cannot_be_is_refused), TEST(without_a_pin_a_reader_reads_copies),
     TEST(child_reads_on))
