// Starts a crowd of processes that use one segment, has them read and set at once, kills them, and checks what is left.
//
//     conductor DIRECTORY [--members N] [--setters N] [--sets N] [--one-by-one] [--seconds N]
//
// Half of the members are forked by one process that is attached; the others are programs of their own. It prints a table
// and fails if anything is wrong. The directory is on a tmpfs and empty.

#define _GNU_SOURCE

#include "crowd.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct board *board;
static uint32_t member_count = 2000, setter_count = 200, set_count = 1000, is_one_by_one;
static char board_path[300];
static pid_t forker;
static int fault_count;

static __attribute__((format(printf, 1, 2))) void fault(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("WRONG: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fault_count++;
}

static void kill_members(void) {
    for (uint32_t index = 0; board && index < member_count; index++) {
        pid_t pid = atomic_exchange(&board->members[index].pid, 0);
        if (pid > 0) kill(pid, SIGKILL);
    }
    if (forker > 0) kill(forker, SIGKILL);
    forker = 0;
}

/// Kills the members and waits until they are gone; orphans are given to this process.
static void end_members(void) {
    kill_members();
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {}
}

static _Noreturn void stop(const char *what) {
    printf("WRONG: %s: %s\n", what, strerror(errno));
    kill_members();
    exit(1);
}

static void time_is_up(int signal) {
    (void)signal;
    static const char message[] = "WRONG: the time is up\n";
    kill_members();
    _exit(write(STDOUT_FILENO, message, sizeof message - 1) < 0 ? 2 : 1);
}

static struct board *map_board(size_t byte_count, int flags) {
    int descriptor = open(board_path, O_RDWR | O_CLOEXEC | flags, 0600);
    struct stat status;
    if (descriptor < 0 || (flags && ftruncate(descriptor, (off_t)byte_count)) || fstat(descriptor, &status)) stop(board_path);
    void *address = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (address == MAP_FAILED) stop("mmap");
    return address;
}

// MARK: Starting and leading the members

static void await_arrival(uint32_t index) {
    while (!atomic_load(&board->members[index].completed)) usleep(200);
}

static void start_program(uint32_t index) {
    pid_t pid = fork();
    if (pid < 0) stop("fork");
    if (pid) {
        atomic_store(&board->members[index].pid, pid);
        return;
    }
    char number[12];
    snprintf(number, sizeof number, "%u", index);
    execl("/proc/self/exe", "member", "--member", board_path, number, NULL);
    _exit(127);
}

/// Forks every other member from a process that has a handle, and has read. (It is not one of the members itself.)
static _Noreturn void fork_members(pid_t conductor) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != conductor) _exit(1);
    sharedmem_t *segment = attach(board->directory);
    sharedmem_borrow_t borrow;
    if (!segment || sharedmem_borrow(segment, &borrow) != 0) stop(sharedmem_last_error());
    if (sharedmem_release(segment, &borrow) != 0) stop(sharedmem_last_error());
    for (uint32_t index = 0; index < member_count; index += 2) {
        if (is_one_by_one && index > 0) await_arrival(index - 1);
        pid_t pid = fork();
        if (pid < 0) stop("fork");
        if (pid == 0) take_part(board, index, segment);
        atomic_store(&board->members[index].pid, pid);
    }
    while (1) pause();
}

static void start_members(void) {
    pid_t conductor = getpid();
    forker = fork();
    if (forker < 0) stop("fork");
    if (forker == 0) fork_members(conductor);
    for (uint32_t index = 1; index < member_count; index += 2) {
        if (is_one_by_one) await_arrival(index - 1);
        start_program(index);
    }
}

static void begin(uint32_t phase) {
    atomic_store(&board->phase, phase);
    syscall(SYS_futex, &board->phase, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/// Waits until all members, or all that set, have completed a phase.
static void await(uint32_t phase, int only_setters) {
    for (uint32_t index = 0; index < member_count; index++) {
        struct member *each = &board->members[index];
        while (atomic_load(&each->completed) <= phase && !(only_setters && !atomic_load(&each->sets))) pause_milliseconds(10);
    }
}

/// Chooses members to set, three of four among those without a row.
static void choose_setters(void) {
    uint32_t left = setter_count, copying = setter_count * 3 / 4;
    for (int pass = 0; pass < 3; pass++)
        for (uint32_t index = 0; index < member_count && left > 0; index++) {
            struct member *each = &board->members[index];
            if (atomic_load(&each->sets)) continue;
            if (pass == 0 && (atomic_load(&each->is_in_place) || copying == 0)) continue;
            if (pass == 1 && !atomic_load(&each->is_in_place)) continue;
            atomic_store(&each->sets, set_count);
            if (pass == 0) copying--;
            left--;
        }
}

// MARK: Figures

static uint64_t status_value(pid_t pid, const char *key) {
    char path[40], line[200];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    uint64_t value = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0) value = strtoull(line + strlen(key), NULL, 10);
    if (file) fclose(file);
    return value;
}

static void print_memory(const char *when) {
    uint64_t anonymous = 0, shared = 0, tables = 0, most = 0;
    for (uint32_t index = 0; index < member_count; index++) {
        pid_t pid = board->members[index].pid;
        uint64_t resident = status_value(pid, "VmRSS:");
        anonymous += status_value(pid, "RssAnon:");
        shared += status_value(pid, "RssShmem:");
        tables += status_value(pid, "VmPTE:");
        if (resident > most) most = resident;
    }
    printf("  memory of one process, %s: %" PRIu64 " KiB of its own, %" PRIu64 " KiB of the segment, %" PRIu64
           " KiB of page tables; at most %" PRIu64 " KiB resident\n",
           when, anonymous / member_count, shared / member_count, tables / member_count, most);
}

static int compare(const void *one, const void *other) {
    uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;
    return (left > right) - (left < right);
}

/// Prints the median and the longest time that `count` members took from `first` on.
static void print_arrival(uint32_t first, uint32_t count) {
    uint64_t attached[count], read[count];
    for (uint32_t index = 0; index < count; index++) {
        attached[index] = board->members[first + index].attach_time;
        read[index] = board->members[first + index].first_read_time;
    }
    qsort(attached, count, sizeof *attached, compare);
    qsort(read, count, sizeof *read, compare);
    printf("  processes %u to %u: attach %.0f µs (longest %.0f), first read %.0f µs (longest %.0f)\n", first + 1,
           first + count, (double)attached[count / 2] / 1e3, (double)attached[count - 1] / 1e3,
           (double)read[count / 2] / 1e3, (double)read[count - 1] / 1e3);
}

static void report_faults(const char *when) {
    uint32_t shown = 0, failed = 0;
    for (uint32_t index = 0; index < member_count; index++) {
        if (!board->members[index].has_failed) continue;
        failed += board->members[index].has_failed;
        if (shown++ < 5) fault("%s, member %u: %s", when, index, board->members[index].message);
        board->members[index].has_failed = 0;
    }
    if (failed) fault("%s, %u calls failed in %u members", when, failed, shown);
}

static sharedmem_info_t info(void) {
    sharedmem_options_t options = options_in(board->directory);
    sharedmem_info_t info;
    if (sharedmem_info(SEGMENT, &options, &info) != 0) stop(sharedmem_last_error());
    return info;
}

static uint32_t count_in_place(void) {
    uint32_t count = 0;
    for (uint32_t index = 0; index < member_count; index++) count += board->members[index].is_in_place;
    return count;
}

static double arrive(void) {
    uint64_t start = nanoseconds();
    start_members();
    await(ARRIVE, 0);
    report_faults("arriving");
    return (double)(nanoseconds() - start) / 1e9;
}

// MARK: The parts

static void print_setters(double seconds) {
    uint64_t longest[2] = {0}, sum[2] = {0}, count[2] = {0};
    for (uint32_t index = 0; index < member_count; index++) {
        struct member *each = &board->members[index];
        int has_row = each->is_in_place != 0;
        count[has_row] += each->sets;
        sum[has_row] += each->set_time;
        if (each->longest_set > longest[has_row]) longest[has_row] = each->longest_set;
    }
    printf("  %u sets in %.1f s\n", setter_count * set_count, seconds);
    for (int has_row = 1; has_row >= 0; has_row--)
        if (count[has_row])
            printf("  %" PRIu64 " sets %s a row: mean %.0f µs, longest %.0f ms\n", count[has_row],
                   has_row ? "with" : "without", (double)sum[has_row] / (double)count[has_row] / 1e3,
                   (double)longest[has_row] / 1e6);
}

/// All members read while some of them set; nothing is torn, and nothing is lost.
static void use_at_once(sharedmem_t *segment) {
    sharedmem_version_t before, after;
    sharedmem_version(segment, &before);
    uint64_t final_number = before.number + (uint64_t)setter_count * set_count;
    atomic_store(&board->final_number, final_number);
    choose_setters();
    uint64_t start = nanoseconds();
    begin(READ_AND_SET);
    await(READ_AND_SET, 1);
    double seconds = (double)(nanoseconds() - start) / 1e9;
    begin(FINISH);
    await(FINISH, 0);
    report_faults("reading and setting");
    sharedmem_version(segment, &after);
    if (after.number != final_number) fault("the last number is %" PRIu64 ", not %" PRIu64, after.number, final_number);
    uint64_t reads = 0, copies = 0;
    for (uint32_t index = 0; index < member_count; index++) {
        reads += board->members[index].reads;
        copies += board->members[index].copies;
    }
    printf("  number %" PRIu64 " before, %" PRIu64 " after; %" PRIu64 " reads of whole text, %" PRIu64 " of them copies\n",
           before.number, after.number, reads, copies);
    print_setters(seconds);
}

/// Takes every pin, and sets more texts than there are slots, in a process of its own.
static int succeed(void) {
    sharedmem_t *segment = attach(board->directory);
    sharedmem_info_t now = info();
    uint32_t in_place = 0, opened = now.pin_count - now.pins;
    for (uint32_t index = 0; index < opened; index++) {
        sharedmem_reader_t *reader = sharedmem_reader_open(segment);
        const sharedmem_borrow_t *text = reader ? sharedmem_reader_read(reader) : NULL;
        if (text && is_whole(text->text, text->length)) in_place += (uint32_t)is_in_segment(text->text);
    }
    uint32_t texts = now.row_count + now.pin_count + 100, failed = 0;
    char text[TEXT_MOST + 1];
    uint64_t start = nanoseconds();
    for (uint32_t number = 1; number <= texts; number++)
        if (sharedmem_set(segment, text, make_text(text, member_count, number), NULL) != 0) failed++;
    printf("  a new process read in place through %u of %u free pins, then set %u texts in %.2f s, %u failed\n", in_place,
           opened, texts, (double)(nanoseconds() - start) / 1e9, failed);
    return in_place != opened || failed;
}

static void check_reclaimed(void) {
    sharedmem_info_t now = info();
    printf("  all killed: %u of %u pins and %u of %u rows are left to living processes; the file has %zu KiB\n", now.pins,
           now.pin_count, now.rows, now.row_count, now.memory >> 10);
    if (now.pins > 1 || now.rows > 1) fault("pins or rows of killed processes count");
    fflush(stdout);
    pid_t successor = fork();
    if (successor < 0) stop("fork");
    if (successor == 0) {
        execl("/proc/self/exe", "successor", "--successor", board_path, NULL);
        _exit(127);
    }
    int status;
    if (waitpid(successor, &status, 0) != successor || status) fault("a new process could not use all of the segment");
}

/// A second crowd, of as many processes as have room in the table: each must get a row and a pin of a killed one.
static void check_second_crowd(void) {
    sharedmem_info_t now = info();
    uint32_t reserved = now.row_count / 64 ? now.row_count / 64 : 1;
    memset(board->members, 0, member_count * sizeof *board->members);
    member_count = now.row_count - reserved - now.rows - 1; // 1 for the process that forks
    atomic_store(&board->phase, ARRIVE);
    double seconds = arrive();
    uint32_t in_place = count_in_place();
    printf("  a second crowd of %u processes came in %.1f s: %u read in place\n", member_count, seconds, in_place);
    if (in_place != member_count) fault("%u processes did not get a killed one's row and pin", member_count - in_place);
}

static void check_gone(sharedmem_version_t before) {
    sharedmem_options_t options = options_in(board->directory);
    sharedmem_info_t left;
    if (sharedmem_info(SEGMENT, &options, &left) == 0 || errno != ENOENT) fault("the segment outlived its processes");
    sharedmem_t *segment = attach(board->directory);
    sharedmem_version_t fresh;
    if (!segment || sharedmem_version(segment, &fresh) != 0) stop(sharedmem_last_error());
    if (fresh.instance == before.instance || fresh.number != 0) fault("the name leads to the old segment");
    else printf("  all killed once more: the name was free, and leads to a new segment\n");
    sharedmem_detach(segment);
}

static void parse(int argc, char *argv[], uint32_t *seconds) {
    for (int index = 2; index < argc; index++) {
        const char *option = argv[index];
        if (strcmp(option, "--one-by-one") == 0) {
            is_one_by_one = 1;
            continue;
        }
        uint32_t *value = strcmp(option, "--members") == 0   ? &member_count
                          : strcmp(option, "--setters") == 0 ? &setter_count
                          : strcmp(option, "--sets") == 0    ? &set_count
                          : strcmp(option, "--seconds") == 0 ? seconds
                                                             : NULL;
        if (!value || ++index == argc) {
            fprintf(stderr, "conductor: unknown or incomplete option: %s\n", option);
            exit(64);
        }
        *value = (uint32_t)strtoul(argv[index], NULL, 10);
    }
}

int main(int argc, char *argv[]) {
    if (argc == 4 && strcmp(argv[1], "--member") == 0) {
        snprintf(board_path, sizeof board_path, "%s", argv[2]);
        take_part(map_board(0, 0), (uint32_t)strtoul(argv[3], NULL, 10), NULL);
    }
    if (argc == 3 && strcmp(argv[1], "--successor") == 0) {
        snprintf(board_path, sizeof board_path, "%s", argv[2]);
        board = map_board(0, 0);
        return succeed();
    }
    if (argc < 2) return 64;
    uint32_t seconds = 300;
    parse(argc, argv, &seconds);
    setvbuf(stdout, NULL, _IOLBF, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGALRM, time_is_up);
    signal(SIGTERM, time_is_up);
    signal(SIGINT, time_is_up);
    alarm(seconds);
    snprintf(board_path, sizeof board_path, "%s/board", argv[1]);
    uint32_t room = member_count > 20000 ? member_count : 20000;
    board = map_board(sizeof *board + room * sizeof *board->members, O_CREAT | O_EXCL);
    board->member_count = member_count;
    board->seconds = seconds;
    snprintf(board->directory, sizeof board->directory, "%s", argv[1]);

    sharedmem_t *segment = attach(board->directory);
    char text[TEXT_MOST + 1];
    if (!segment || sharedmem_set(segment, text, make_text(text, 0, 0), NULL) != 0) stop(sharedmem_last_error());

    double arrival = arrive();
    uint32_t in_place = count_in_place();
    printf("  %u processes attached and read in %.1f s: %u in place, %u from a copy\n", member_count, arrival, in_place,
           member_count - in_place);
    for (uint32_t first = 0; first < member_count; first += 200)
        print_arrival(first, member_count - first < 20 ? member_count - first : 20);
    if (member_count > 20) print_arrival(member_count - 20, 20);
    print_memory("after one read");
    if (setter_count > 0 && set_count > 0) {
        use_at_once(segment);
        print_memory("at the end");
    }
    sharedmem_info_t now = info();
    printf("  %u attachments, %u of %u rows, %u of %u pins; the file has %zu KiB\n", now.attachments, now.rows, now.row_count,
           now.pins, now.pin_count, now.memory >> 10);
    if (now.attachments < member_count) fault("only %u attachments", now.attachments);

    uint64_t start = nanoseconds();
    end_members();
    printf("  killed in %.2f s\n", (double)(nanoseconds() - start) / 1e9);
    check_reclaimed();
    sharedmem_version_t before;
    sharedmem_version(segment, &before);
    check_second_crowd();
    if (sharedmem_detach(segment) != 0) fault("detach: %s", sharedmem_last_error());
    end_members();
    check_gone(before);
    return fault_count > 0;
}
