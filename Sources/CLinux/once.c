// Lets threads of a forked child meet in swift_once.
//
// Swift's runtime calls swift_once where a process first uses a global, a generic type or a conformance. swift_once takes a PI
// futex, which holds the id of the thread that has taken it. The runtime asks the kernel for the id once in each thread and
// remembers it in thread-local memory, which the thread of a forked child inherits. If another thread then waits for that
// thread, the kernel finds a futex with the id of a thread of the parent, and refuses to pass it on: both spin forever.
//
// The runtime has no function to correct that. So an experiment finds the word with the id, and the child clears it.

#define _GNU_SOURCE

#include "once.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A swift_once_t, and more than it needs: a flag, and the futex.
struct once {
    _Alignas(8) int32_t flag;
    int32_t owner;
    int32_t unused[2];
};

/// The runtime's.
extern void swift_once(struct once *once, void (*initialize)(void *context), void *context);

static bool is_found;
static size_t found_offset;
static int32_t *noted;

static void copy_owner(void *context) {
    struct once *once = context;
    once->unused[0] = once->owner;
}

/// The id that the runtime takes for this thread's; 0 if the runtime has no futex with an id.
static int32_t remembered_id(void) {
    struct once once = {0};
    swift_once(&once, copy_owner, &once);
    return once.unused[0];
}

/// This thread's memory for the thread-local variables of the module that contains the runtime.
struct block {
    char *bytes;
    size_t size;
};

static int find_block(struct dl_phdr_info *module, size_t size, void *result) {
    (void)size;
    bool is_the_runtimes = false;
    struct block block = {module->dlpi_tls_data, 0};
    for (int index = 0; index < module->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[index];
        uintptr_t start = module->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && (uintptr_t)swift_once - start < part->p_memsz) is_the_runtimes = true;
        if (part->p_type == PT_TLS) block.size = part->p_memsz;
    }
    // A thread that has not used the variables yet has no memory for them.
    if (is_the_runtimes && block.bytes) *(struct block *)result = block;
    return is_the_runtimes;
}

static struct block runtimes_block(void) {
    struct block block = {NULL, 0};
    dl_iterate_phdr(find_block, &block);
    return block;
}

void clinux_find_remembered_id(void) {
    int32_t id = remembered_id();
    if (id == 0) return;
    struct block block = runtimes_block();
    for (size_t offset = 0; offset + sizeof id <= block.size; offset += sizeof id) {
        int32_t *word = (int32_t *)(block.bytes + offset);
        if (*word != id) continue;
        // Another variable may have the same value, but the runtime sets only its own again.
        *word = 0;
        remembered_id();
        is_found = *word != 0;
        if (is_found) {
            found_offset = offset;
            return;
        }
        *word = id;
    }
}

void clinux_note_remembered_id(void) {
    noted = NULL;
    if (!is_found) return;
    struct block block = runtimes_block();
    if (block.bytes) noted = (int32_t *)(block.bytes + found_offset);
}

void clinux_forget_remembered_id(void) {
    if (noted) *noted = 0;
}
