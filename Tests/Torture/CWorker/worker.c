// A process that uses the text through the C interface until it is told to end, or killed:
//
//   worker-c DIRECTORY NAME HISTORY SEED ACTION
//
//   set      sets short text
//   grow     sets long text
//   read     reads once
//   reread   reads three times, with a reader
//   copy     reads once through a read-only handle
//   loop     does all of these at random until standard input ends
//   wait     watches the text until standard input names the last version
//   told     records the text on standard input, as the command of `sharedmem watch --exec`
//
// Each operation is appended to the file HISTORY. Records and texts have the format of Swift's History and
// ChecksummedText.

#include "worker.h"

#include <stdlib.h>
#include <string.h>

static void act(const char *action, const char *directory, const char *name) {
    int waits = strcmp(action, "wait") == 0;
    int only_reads = strcmp(action, "copy") == 0 || (waits && random_number() % 4 == 0);
    sharedmem_t *segment = attach(directory, name, only_reads ? SHAREDMEM_READ_ONLY : 0);
    expect(segment != NULL, "attach");
    if (waits) watch_until_told(segment);
    else if (strcmp(action, "set") == 0) set(segment, random_length());
    else if (strcmp(action, "grow") == 0) set(segment, LONG_LENGTH);
    else if (strcmp(action, "loop") == 0) use_until_told(segment, directory, name);
    else if (strcmp(action, "reread") == 0) reread(segment);
    else if (strcmp(action, "read") != 0 && strcmp(action, "copy") != 0) expect(0, "unknown action");
    else if (random_number() % 2) get(segment);
    else borrow(segment);
    expect(sharedmem_detach(segment) == 0, "detach");
}

int main(int count, char **arguments) {
    if (count != 6) return 64;
    const char *directory = arguments[1], *name = arguments[2], *history = arguments[3], *action = arguments[5];
    int is_told = strcmp(action, "told") == 0;
    seed_random(strtoull(arguments[4], NULL, 10));
    open_history(history, is_told ? COMMAND_LINE : C_INTERFACE);
    if (is_told) be_told(history);
    else act(action, directory, name);
    return 0;
}
