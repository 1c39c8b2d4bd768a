// Attaches when the library is loaded, and detaches when it is unloaded, but not when the process exits.
//
// When the process exits, other threads may still be reading, and must not be disturbed: then the core leaves
// the segment without unmapping it. The destructor runs in both cases. An atexit handler tells them apart, as
// exit calls it before the destructor, and dlclose calls it after. It is registered at the first use and not
// when the library is loaded: exit calls handlers in reverse order, and for a library that the program is
// linked with, the C runtime registers the destructors only after the constructors have run. A thread that
// first uses the library while the process exits gets an error.

#include "internal.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static atomic_bool is_used;
static atomic_bool is_exiting;

static void note_exit(void) { atomic_store(&is_exiting, true); }

void sharedmem_internal_note_use(void) {
    if (!atomic_load_explicit(&is_used, memory_order_relaxed) && !atomic_exchange(&is_used, true)) atexit(note_exit);
}

__attribute__((constructor)) static void load(void) { sharedmem_internal_load(); }

__attribute__((destructor)) static void unload(void) {
    if (!atomic_load(&is_exiting)) sharedmem_internal_unload();
}
