// The options of sharedmem_attach, and its errors.

#include "handle.h"

#include <fcntl.h>
#include <grp.h>

#define ATTACH_REFUSED(name, options, error)                                                                           \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK(sharedmem_attach(name, options) == NULL);                                                                \
        CHECK(errno == (error));                                                                                       \
        CHECK(strlen(sharedmem_last_error()) > 10);                                                                    \
    } while (0)

static void names_are_checked(void) {
    ATTACH_REFUSED("", NULL, EINVAL);
    ATTACH_REFUSED(".hidden", NULL, EINVAL);
    ATTACH_REFUSED("../escape", NULL, EINVAL);
    ATTACH_REFUSED("ni\xf1o", NULL, EINVAL);
}

static void options_of_other_versions_are_told(void) {
    struct {
        sharedmem_options_t known;
        uint64_t later;
    } longer = {SHAREDMEM_OPTIONS, 0};
    longer.known.size = sizeof longer;
    sharedmem_t *segment = sharedmem_attach("test", &longer.known);
    CHECK(segment && sharedmem_detach(segment) == 0);
    longer.later = 1;
    ATTACH_REFUSED("test", &longer.known, EINVAL);

    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.size = 0;
    ATTACH_REFUSED("test", &options, EINVAL);
    options = (sharedmem_options_t)SHAREDMEM_OPTIONS;
    options.flags = 1u << 31;
    ATTACH_REFUSED("test", &options, EINVAL);
    options = (sharedmem_options_t)SHAREDMEM_OPTIONS;
    options.trusted_owner_count = 1;
    ATTACH_REFUSED("test", &options, EINVAL);
    CHECK(!exists("test"));
}

static void capacity_is_fixed_when_created(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.capacity = SIZE_MAX;
    ATTACH_REFUSED("test", &options, EINVAL);
    options.capacity = ((size_t)1 << 30) + 1;
    ATTACH_REFUSED("test", &options, EINVAL);
    options.capacity = 100;
    sharedmem_t *segment = sharedmem_attach("test", &options);
    CHECK(segment);
    options.capacity = 101;
    ATTACH_REFUSED("test", &options, EEXIST);
    options.capacity = 0;
    sharedmem_t *other = sharedmem_attach("test", &options);
    CHECK(other);
    char text[101] = {0};
    REFUSED(sharedmem_set(other, memset(text, 'a', 101), 101, NULL), EMSGSIZE);
    CHECK(sharedmem_detach(other) == 0 && sharedmem_detach(segment) == 0);
}

static void environment_is_checked(void) {
    CHECK(setenv("SHAREDMEM_CAPACITY", "a lot", 1) == 0);
    ATTACH_REFUSED("test", NULL, EINVAL);
    CHECK(strstr(sharedmem_last_error(), "SHAREDMEM_CAPACITY"));
    CHECK(setenv("SHAREDMEM_CAPACITY", "5", 1) == 0);
    sharedmem_t *segment = attach();
    REFUSED(sharedmem_set(segment, "123456", 6, NULL), EMSGSIZE);
    CHECK(sharedmem_detach(segment) == 0);
}

static void group_is_that_of_the_options(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.group = "";
    ATTACH_REFUSED("test", &options, EINVAL);
    options.group = "no such group";
    ATTACH_REFUSED("test", &options, EINVAL);
    CHECK(strstr(sharedmem_last_error(), "no such group"));
    CHECK(!exists("test"));

    char number[20];
    snprintf(number, sizeof number, "%u", getegid());
    options.group = number;
    options.mode = 0660;
    sharedmem_t *segment = sharedmem_attach("test", &options);
    CHECK(segment && group_of("test") == getegid());
    if (geteuid() == 0) {
        // The group has changed when an existing segment is attached, too.
        options.group = "daemon";
        sharedmem_t *other = sharedmem_attach("test", &options);
        CHECK(other && group_of("test") == getgrnam("daemon")->gr_gid && sharedmem_detach(other) == 0);
    }
    CHECK(sharedmem_detach(segment) == 0);
}

static void existing_only_creates_nothing(void) {
    CHECK(!attach_with(0, SHAREDMEM_EXISTING) && errno == ENOENT);
    CHECK(!exists("test"));
    sharedmem_t *segment = attach(), *other = attach_with(0, SHAREDMEM_EXISTING);
    CHECK(other && sharedmem_detach(other) == 0 && sharedmem_detach(segment) == 0);
}

static void replicated_text_is_set_elsewhere(void) {
    sharedmem_t *segment = attach();
    set(segment, "uno");
    char path[300];
    snprintf(path, sizeof path, "%s/test.sharedmem", getenv("SHAREDMEM_DIRECTORY"));
    int file = open(path, O_RDWR);
    // As docs/format.md describes it.
    uint32_t mark = 1 << 16 | 8080;
    CHECK(file != -1 && pwrite(file, &mark, sizeof mark, 204) == sizeof mark);
    REFUSED(sharedmem_set(segment, "dos", 3, NULL), EREMOTEIO);
    CHECK(strstr(sharedmem_last_error(), "sharedmem release test"));
    CHECK(close(file) == 0);
    CHECK(sharedmem_detach(segment) == 0);
}

static void read_only_reads_only(void) {
    CHECK(!attach_with(0, SHAREDMEM_READ_ONLY) && errno == ENOENT);
    sharedmem_t *segment = attach(), *reader = attach_with(0, SHAREDMEM_READ_ONLY);
    CHECK(reader);
    set(segment, "texto");
    CHECK(holds(reader, "texto"));
    REFUSED(sharedmem_set(reader, "otro", 4, NULL), EROFS);
    CHECK(holds(segment, "texto"));
    CHECK(sharedmem_detach(reader) == 0 && sharedmem_detach(segment) == 0);
}

static void persistent_stays(void) {
    sharedmem_t *segment = attach_with(0, SHAREDMEM_PERSISTENT);
    CHECK(segment);
    set(segment, "texto");
    CHECK(sharedmem_detach(segment) == 0);
    CHECK(exists("test"));
    segment = attach();
    CHECK(holds(segment, "texto"));
    CHECK(sharedmem_detach(segment) == 0);
    CHECK(unlink(path_of("test")) == 0);
}

static void mode_is_the_files(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    struct stat status;
    sharedmem_t *segment = sharedmem_attach("test", &options);
    CHECK(segment && stat(path_of("test"), &status) == 0 && (status.st_mode & 07777) == 0600);
    CHECK(sharedmem_detach(segment) == 0);
    options.mode = 0640;
    segment = sharedmem_attach("test", &options);
    CHECK(segment && stat(path_of("test"), &status) == 0 && (status.st_mode & 07777) == 0640);
    CHECK(sharedmem_detach(segment) == 0);
}

static void directory_is_one_on_a_tmpfs(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.directory = "/no/such/directory";
    ATTACH_REFUSED("test", &options, ENOENT);
    options.directory = "/usr";
    ATTACH_REFUSED("test", &options, ENODEV);
    options.directory = "/dev/shm";
    char name[64];
    snprintf(name, sizeof name, "test.%d", getpid());
    sharedmem_t *segment = sharedmem_attach(name, &options);
    CHECK(segment && !exists(name));
    CHECK(sharedmem_detach(segment) == 0);
}

static void what_is_no_segment_is_left_alone(void) {
    FILE *file = fopen(path_of("test"), "w");
    CHECK(file && fputs("another program's notes", file) >= 0 && fclose(file) == 0);
    ATTACH_REFUSED("test", NULL, ENOTSUP);
    CHECK(unlink(path_of("test")) == 0);
    CHECK(mkdir(path_of("test"), 0700) == 0);
    ATTACH_REFUSED("test", NULL, ENOTSUP);
    CHECK(rmdir(path_of("test")) == 0);
}

static void owners_are_trusted_by_name(void) {
    if (geteuid() != 0) return; // Only root can make a file another's.
    const uid_t other = 12345;
    sharedmem_t *segment = attach();
    CHECK(chown(path_of("test"), other, (gid_t)-1) == 0);
    ATTACH_REFUSED("test", NULL, EPERM);
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.trusted_owners = &other;
    options.trusted_owner_count = 1;
    sharedmem_t *trusting = sharedmem_attach("test", &options);
    CHECK(trusting);
    CHECK(sharedmem_detach(trusting) == 0 && sharedmem_detach(segment) == 0);
}

/// As a script does that attaches at every request.
static void attaching_without_end_uses_nothing_up(void) {
    sharedmem_t *segment = attach();
    set(segment, "texto");
    for (int i = 0; i < 100000; i++) CHECK(attach() == segment && holds(segment, "texto"));
    sharedmem_info_t info;
    CHECK(sharedmem_info("test", NULL, &info) == 0 && info.rows == 1 && info.attachments == 1);
    for (int i = 0; i < 100000; i++) CHECK(sharedmem_detach(segment) == 0 && exists("test"));
    CHECK(sharedmem_detach(segment) == 0 && !exists("test"));
}

static void sizes_of_tables_are_the_creators(void) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.row_count = 1;
    ATTACH_REFUSED("test", &options, EINVAL);
    options.row_count = 2;
    options.pin_count = 16385;
    ATTACH_REFUSED("test", &options, EINVAL);
    options.pin_count = 3;
    sharedmem_t *segment = sharedmem_attach("test", &options);
    CHECK(segment);
    sharedmem_info_t info;
    CHECK(sharedmem_info("test", NULL, &info) == 0 && info.row_count == 2 && info.pin_count == 3);
    CHECK(sharedmem_detach(segment) == 0);
}

/// Options of the first version end before the sizes of the tables.
static void options_of_the_first_version_are_understood(void) {
    struct {
        size_t size;
        const char *directory;
        size_t capacity;
        uint32_t flags, mode;
        const uid_t *trusted_owners;
        size_t trusted_owner_count;
        uint64_t beyond;
    } first = {48, NULL, 4000, 0, 0640, NULL, 0, UINT64_MAX};
    sharedmem_t *segment = sharedmem_attach("test", (const sharedmem_options_t *)&first);
    CHECK(segment && sharedmem_capacity(segment) == 4000);
    CHECK(sharedmem_detach(segment) == 0);
}

static void scalars_say_what_options_say(void) {
    CHECK(sharedmem_attach_simple("test", NULL, 0, SHAREDMEM_EXISTING) == NULL && errno == ENOENT);
    CHECK(sharedmem_attach_simple("test", NULL, 0, 1u << 31) == NULL && errno == EINVAL);
    CHECK(sharedmem_attach_simple("test", "/no/such/directory", 0, 0) == NULL && errno == ENOENT);
    sharedmem_t *segment = sharedmem_attach_simple("test", getenv("SHAREDMEM_DIRECTORY"), 5000, SHAREDMEM_PERSISTENT);
    CHECK(segment && sharedmem_capacity(segment) == 5000);
    CHECK(sharedmem_detach(segment) == 0 && exists("test"));
    CHECK(sharedmem_unlink("test", NULL) == 0 && !exists("test"));
}

MAIN(TEST(names_are_checked), TEST(options_of_other_versions_are_told), TEST(capacity_is_fixed_when_created),
     TEST(environment_is_checked), TEST(group_is_that_of_the_options),
     TEST(existing_only_creates_nothing), TEST(read_only_reads_only), TEST(replicated_text_is_set_elsewhere), TEST(persistent_stays), TEST(mode_is_the_files),
     TEST(directory_is_one_on_a_tmpfs), TEST(what_is_no_segment_is_left_alone), TEST(owners_are_trusted_by_name),
     TEST(attaching_without_end_uses_nothing_up), TEST(sizes_of_tables_are_the_creators),
     TEST(options_of_the_first_version_are_understood), TEST(scalars_say_what_options_say))
