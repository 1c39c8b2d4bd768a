// Attaches when the library is loaded, detaches when it is unloaded, and tells that from the process's end.
//
// At the end other threads may still be reading, and are to go on undisturbed: the core leaves the segment
// without unmapping it. Both ends call the destructor; an atexit handler tells them apart, as exit runs it
// before the destructor and dlclose after. It is registered at the first use, not when loaded: exit goes
// backwards, and for a library that the program is linked with, the C runtime registers the destructors only
// after the constructors have run. What makes its first use while the process is ending is turned away.

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
