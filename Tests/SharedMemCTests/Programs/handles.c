// sharedmem_attach, _detach, _set, _get, _version, and their errors.

#include "handle.h"

#include <pthread.h>

static void new_segment_is_empty(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t version = {1, 1};
    CHECK(holds(segment, ""));
    CHECK(sharedmem_version(segment, &version) == 0 && version.number == 0 && version.instance != 0);
    CHECK(sharedmem_detach(segment) == 0);
    CHECK(!exists("test"));
}

static void text_is_as_long_as_the_capacity_at_most(void) {
    sharedmem_t *segment = attach_with(10, 0);
    CHECK(segment);
    CHECK(sharedmem_set(segment, "0123456789", 10, NULL) == 0);
    CHECK(holds(segment, "0123456789"));
    REFUSED(sharedmem_set(segment, "0123456789a", 11, NULL), EMSGSIZE);
    REFUSED(sharedmem_set(segment, "x", SIZE_MAX, NULL), EMSGSIZE);
    REFUSED(sharedmem_set(segment, "x", SSIZE_MAX, NULL), EMSGSIZE);
    CHECK(holds(segment, "0123456789"));
    CHECK(sharedmem_set(segment, NULL, 0, NULL) == 0);
    CHECK(holds(segment, ""));
    CHECK(sharedmem_detach(segment) == 0);
}

static void text_is_utf8_without_zeros(void) {
    sharedmem_t *segment = attach();
    set(segment, "ni\xc3\xb1o");
    REFUSED(sharedmem_set(segment, "ab\0cd", 5, NULL), EILSEQ);
    CHECK(strstr(sharedmem_last_error(), "offset 2"));
    REFUSED(sharedmem_set(segment, "abc\xff", 4, NULL), EILSEQ);
    CHECK(strstr(sharedmem_last_error(), "offset 3"));
    REFUSED(sharedmem_set(segment, "\xed\xa0\x80", 3, NULL), EILSEQ); // a surrogate
    REFUSED(sharedmem_set(segment, "\xc0\x80", 2, NULL), EILSEQ);     // overlong
    REFUSED(sharedmem_set(segment, "a\xe2\x82", 3, NULL), EILSEQ);    // cut
    CHECK(strstr(sharedmem_last_error(), "offset 1"));
    CHECK(holds(segment, "ni\xc3\xb1o"));
    CHECK(sharedmem_detach(segment) == 0);
}

static void get_is_like_snprintf(void) {
    const char text[] = "a\xc3\xb1\xf0\x9f\x98\x80z"; // characters of 1, 2, 4 and 1 bytes
    const size_t kept[] = {0, 0, 1, 1, 3, 3, 3, 3, 7, 8};
    sharedmem_t *segment = attach();
    set(segment, text);
    CHECK(sharedmem_get(segment, NULL, 0, NULL) == 8);
    for (size_t size = 0; size <= 9; size++) {
        char *buffer = guarded(size);
        CHECK(sharedmem_get(segment, buffer, size, NULL) == 8);
        if (size == 0) continue;
        CHECK(memcmp(buffer, text, kept[size]) == 0 && buffer[kept[size]] == 0);
    }
    char large[64];
    memset(large, 0x5a, sizeof large);
    CHECK(sharedmem_get(segment, large, SIZE_MAX, NULL) == 8);
    CHECK(strcmp(large, text) == 0 && large[9] == 0x5a);
    CHECK(sharedmem_detach(segment) == 0);
}

static void versions_count_what_was_set(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t first, second, seen;
    CHECK(sharedmem_set(segment, "a", 1, &first) == 0);
    CHECK(sharedmem_set(segment, "a", 1, &second) == 0);
    CHECK(sharedmem_get(segment, NULL, 0, &seen) == 1);
    CHECK(first.number == 1 && second.number == 2 && seen.number == 2);
    CHECK(first.instance == second.instance && seen.instance == first.instance);
    CHECK(sharedmem_detach(segment) == 0);
}

static void set_if_sets_only_what_is_still_so(void) {
    sharedmem_t *segment = attach();
    sharedmem_version_t mine = {0, 0}, theirs, now;
    CHECK(sharedmem_version(segment, &mine) == 0);
    CHECK(sharedmem_set(segment, "theirs", 6, &theirs) == 0);
    REFUSED(sharedmem_set_if(segment, "mine", 4, &mine, &now), ESTALE);
    CHECK(now.instance == theirs.instance && now.number == theirs.number);
    REFUSED(sharedmem_set_if(segment, "mine", 4, &(sharedmem_version_t){now.instance ^ 1, now.number}, NULL), ESTALE);
    CHECK(holds(segment, "theirs"));
    CHECK(sharedmem_set_if(segment, "mine", 4, &now, &now) == 0);
    CHECK(now.number == 2 && holds(segment, "mine"));
    CHECK(sharedmem_detach(segment) == 0);
}

static void versions_as_text_come_back(void) {
    const sharedmem_version_t longest = {UINT64_MAX, UINT64_MAX}, shortest = {10, 0};
    char text[SHAREDMEM_VERSION_SIZE];
    sharedmem_version_t parsed;
    sharedmem_version_format(longest, text);
    CHECK(strcmp(text, "ffffffffffffffff-18446744073709551615") == 0 && sizeof text == strlen(text) + 1);
    CHECK(sharedmem_version_parse(text, &parsed) == 0 && parsed.number == UINT64_MAX);
    sharedmem_version_format(shortest, text);
    CHECK(strcmp(text, "000000000000000a-0") == 0);
    CHECK(sharedmem_version_parse(text, &parsed) == 0 && parsed.instance == 10 && parsed.number == 0);
    static const char *const others[] = {"", "5", "a-0",
                                         "000000000000000A-0", "000000000000000a-00", "000000000000000a-0 "};
    for (int i = 0; i < 6; i++) REFUSED(sharedmem_version_parse(others[i], &parsed), EINVAL);
}

static void attaching_again_gets_the_same_handle(void) {
    sharedmem_t *one = attach(), *two = attach();
    CHECK(one == two);
    sharedmem_t *reader = attach_with(0, SHAREDMEM_READ_ONLY);
    CHECK(reader && reader != one && sharedmem_detach(reader) == 0);
    set(one, "uno");
    CHECK(holds(two, "uno"));
    CHECK(sharedmem_detach(one) == 0);
    CHECK(exists("test") && holds(two, "uno"));
    set(two, "dos");
    CHECK(sharedmem_detach(two) == 0);
    CHECK(!exists("test"));
}

static void handles_lead_to_many_segments(void) {
    sharedmem_t *segments[20];
    char name[8];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "s%d", i);
        CHECK((segments[i] = sharedmem_attach(name, NULL)));
        set(segments[i], name);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "s%d", i);
        CHECK(holds(segments[i], name));
        CHECK(sharedmem_detach(segments[i]) == 0 && !exists(name));
    }
}

static void null_is_refused(void) {
    sharedmem_version_t version = {0, 0};
    sharedmem_borrow_t borrow = {0};
    REFUSED(sharedmem_set(NULL, "a", 1, NULL), EINVAL);
    REFUSED(sharedmem_set_if(NULL, "a", 1, &version, NULL), EINVAL);
    REFUSED(sharedmem_get(NULL, NULL, 0, NULL), EINVAL);
    REFUSED(sharedmem_version(NULL, &version), EINVAL);
    REFUSED(sharedmem_borrow(NULL, &borrow), EINVAL);
    sharedmem_t *segment = attach();
    REFUSED(sharedmem_set(segment, NULL, 1, NULL), EINVAL);
    REFUSED(sharedmem_set_if(segment, "a", 1, NULL, NULL), EINVAL);
    REFUSED(sharedmem_get(segment, NULL, 1, NULL), EINVAL);
    REFUSED(sharedmem_version(segment, NULL), EINVAL);
    CHECK(strstr(sharedmem_last_error(), "sharedmem_version: version "));
    REFUSED(sharedmem_borrow(segment, NULL), EINVAL);
    REFUSED(sharedmem_version_parse(NULL, &version), EINVAL);
    sharedmem_release(NULL, NULL);
    sharedmem_release(segment, NULL);
    sharedmem_version_format(version, NULL);
    CHECK(sharedmem_detach(NULL) == 0 && sharedmem_detach(segment) == 0);
}

static void *see_no_error(void *unused) {
    (void)unused;
    CHECK(*sharedmem_last_error() == 0);
    return NULL;
}

static void last_error_is_the_threads_own(void) {
    CHECK(*sharedmem_last_error() == 0);
    REFUSED(sharedmem_set(NULL, "a", 1, NULL), EINVAL);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, see_no_error, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(*sharedmem_last_error());
}

static void every_error_has_words(void) {
    for (int error = 0; error < 140; error++) CHECK(strlen(sharedmem_strerror(error)) > 5);
    CHECK(strstr(sharedmem_strerror(ESTALE), "read it again"));
}

MAIN(TEST(new_segment_is_empty), TEST(text_is_as_long_as_the_capacity_at_most), TEST(text_is_utf8_without_zeros),
     TEST(get_is_like_snprintf), TEST(versions_count_what_was_set), TEST(set_if_sets_only_what_is_still_so),
     TEST(versions_as_text_come_back), TEST(attaching_again_gets_the_same_handle),
     TEST(handles_lead_to_many_segments), TEST(null_is_refused), TEST(last_error_is_the_threads_own),
     TEST(every_error_has_words))
