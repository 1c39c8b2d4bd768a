// The id that Swift's runtime remembers of each thread; see once.c.

#ifndef CLINUX_ONCE_H
#define CLINUX_ONCE_H

/// Finds where the runtime remembers the id of a thread. If the runtime remembers none, the other functions have no effect.
void clinux_find_remembered_id(void);

/// Notes where the runtime remembers the id of this thread, which is about to fork.
void clinux_note_remembered_id(void);

/// In a forked child: lets the runtime ask for the id of its thread again.
void clinux_forget_remembered_id(void);

#endif
