// SetSharedMem and GetSharedMem, with a capacity of 4096 bytes, a whole page, behind which comes another slot.

#include "check.h"

#define CAPACITY 4096

static bool all_well(void) { return *sharedmem_last_error() == 0; }

static bool failed_with(int error) { return !all_well() && errno == error; }

static bool holds(const wchar_t *text) {
    static wchar_t buffer[CAPACITY + 1];
    GetSharedMem(buffer, CAPACITY + 1);
    return all_well() && wcscmp(buffer, text) == 0;
}

static void text_comes_back(void) {
    CHECK(holds(L""));
    SetSharedMem(L"Esta es una cadena de prueba");
    CHECK(all_well());
    CHECK(holds(L"Esta es una cadena de prueba"));
    SetSharedMem(L"");
    CHECK(all_well() && holds(L""));
}

static void characters_beyond_the_first_plane_come_back(void) {
    const wchar_t text[] = {L'a', 0xf1, 0x20ac, 0x1f600, 0x1d11e, 0xffff, 0x10000, 0x10ffff, 0};
    SetSharedMem(text);
    CHECK(all_well() && holds(text));

    const char utf8[] = "a\xc3\xb1\xe2\x82\xac\xf0\x9f\x98\x80\xf0\x9d\x84\x9e\xef\xbf\xbf"
                        "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";
    char buffer[64];
    sharedmem_t *segment = sharedmem_attach(NULL, NULL);
    CHECK(sharedmem_get(segment, buffer, sizeof buffer, NULL) == sizeof utf8 - 1);
    CHECK(strcmp(buffer, utf8) == 0);
    CHECK(sharedmem_detach(segment) == 0);
}

static void count_zero_writes_nothing(void) {
    SetSharedMem(L"texto");
    GetSharedMem(guarded(0), 0);
    CHECK(all_well());
    GetSharedMem(NULL, 0);
    CHECK(all_well());
}

static void count_one_gets_the_empty_text(void) {
    SetSharedMem(L"texto");
    wchar_t *buffer = guarded(sizeof(wchar_t));
    GetSharedMem(buffer, 1);
    CHECK(buffer[0] == 0 && failed_with(ERANGE));
    SetSharedMem(L"");
    GetSharedMem(buffer, 1);
    CHECK(buffer[0] == 0 && all_well());
}

static void too_small_a_count_gets_the_beginning(void) {
    SetSharedMem(L"t\u20acxto");
    wchar_t *buffer = guarded(3 * sizeof(wchar_t));
    GetSharedMem(buffer, 3);
    CHECK(wcscmp(buffer, L"t\u20ac") == 0);
    CHECK(failed_with(ERANGE) && strstr(sharedmem_last_error(), " 6 "));
    GetSharedMem(guarded(5 * sizeof(wchar_t)), 5);
    CHECK(failed_with(ERANGE));
}

static void exact_count_gets_all(void) {
    SetSharedMem(L"t\u20acxt\U0001f600");
    wchar_t *buffer = guarded(6 * sizeof(wchar_t));
    GetSharedMem(buffer, 6);
    CHECK(all_well() && wcscmp(buffer, L"t\u20acxt\U0001f600") == 0);
}

static void nothing_is_written_behind_the_text(void) {
    SetSharedMem(L"ab");
    wchar_t buffer[8];
    memset(buffer, 0x5a, sizeof buffer);
    GetSharedMem(buffer, 8);
    CHECK(buffer[2] == 0);
    for (int i = 3; i < 8; i++) CHECK(buffer[i] == 0x5a5a5a5a);
}

/// The length of the longest run of a byte in the segment's file.
static long longest_run(char byte) {
    FILE *file = fopen(path_of("shared"), "rb");
    CHECK(file);
    long run = 0, longest = 0;
    for (int c; (c = fgetc(file)) != EOF;) {
        run = c == byte ? run + 1 : 0;
        if (run > longest) longest = run;
    }
    fclose(file);
    return longest;
}

static void what_exceeds_the_capacity_stays_outside(void) {
    static wchar_t text[10001];
    wmemset(text, L'x', 10000);
    SetSharedMem(text);
    CHECK(failed_with(EMSGSIZE));
    CHECK(longest_run('x') == CAPACITY);
    text[CAPACITY] = 0;
    CHECK(holds(text));
    SetSharedMem(text);
    CHECK(all_well() && holds(text));
}

static void what_exceeds_the_capacity_is_cut_between_characters(void) {
    static const struct {
        wchar_t first, rest;
        int kept;
    } cases[] = {{L'x', 0x1f600, 1 + 1023}, {0x20ac, 0x20ac, 1365}, {0xe9, 0x20ac, 1 + 1364}, {0x1f600, 0x1f600, 1024}};
    static wchar_t text[2001];
    for (int i = 0; i < 4; i++) {
        wmemset(text, cases[i].rest, 2000);
        text[0] = cases[i].first;
        SetSharedMem(text);
        CHECK(failed_with(EMSGSIZE));
        text[cases[i].kept] = 0;
        CHECK(holds(text));
    }
}

static void what_is_no_character_is_replaced(void) {
    SetSharedMem((const wchar_t[]){L'a', 0xd800, 0xdfff, 0x110000, (wchar_t)0xffffffff, L'z', 0});
    CHECK(failed_with(EILSEQ));
    CHECK(holds(L"a\ufffd\ufffd\ufffd\ufffdz"));
}

static void null_is_refused(void) {
    SetSharedMem(L"texto");
    SetSharedMem(NULL);
    CHECK(failed_with(EINVAL));
    GetSharedMem(NULL, 9);
    CHECK(failed_with(EINVAL));
    CHECK(holds(L"texto"));
}

MAIN(TEST(text_comes_back), TEST(characters_beyond_the_first_plane_come_back), TEST(count_zero_writes_nothing),
     TEST(count_one_gets_the_empty_text), TEST(too_small_a_count_gets_the_beginning), TEST(exact_count_gets_all),
     TEST(nothing_is_written_behind_the_text), TEST(what_exceeds_the_capacity_stays_outside),
     TEST(what_exceeds_the_capacity_is_cut_between_characters), TEST(what_is_no_character_is_replaced),
     TEST(null_is_refused))
