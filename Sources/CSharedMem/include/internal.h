// What the C half and the Swift half of the C interface need of each other. Not installed, and not exported.

#ifndef SHAREDMEM_INTERNAL_H
#define SHAREDMEM_INTERNAL_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

// MARK: Implemented in Swift

/// Attaches to the library's own segment; without effect if that fails.
void sharedmem_internal_load(void);

/// Detaches from the library's own segment.
void sharedmem_internal_unload(void);

// MARK: Implemented in C

/// Call this before each use of the library's own segment.
void sharedmem_internal_note_use(void);

/// Sets errno and this thread's last error.
void sharedmem_internal_fail(int error, const char *text, size_t length);

/// Sets this thread's last error to the empty string.
void sharedmem_internal_clear_error(void);

#pragma GCC visibility pop

#endif
