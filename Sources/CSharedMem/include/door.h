// What the C and the Swift half of the door ask of each other. Not installed.

#ifndef SHAREDMEM_DOOR_H
#define SHAREDMEM_DOOR_H

#include <stddef.h>

// MARK: In Swift

/// Attaches the segment that comes with the library; quiet when it cannot.
void door_load(void);

/// Detaches that segment.
void door_unload(void);

// MARK: In C

/// Call it whenever the library's own segment is about to be used.
void door_note_use(void);

/// Sets errno and this thread's last error.
void door_fail(int error, const char *text, size_t length);

/// Makes this thread's last error "".
void door_clear_error(void);

#endif
