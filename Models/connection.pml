/*
 * The states of a connection to the HTTP service: ConnectionState.swift and OpenConnection.swift in Sources/MicroHTTPD.
 *
 * The connection's own thread takes requests and replies to them. The watchdog ends the connection when its time is up, or
 * when it is idle and the server stops. Both change one word: the phase, and the deadline of what the connection is doing.
 * A STEP is one access to the word, or one thing that the client can see. The other thread runs between any two steps.
 * Macros in `#ifdef`s are mutants. Each breaks one thing, and Models/mutants checks that Spin finds the fault.
 */

#ifndef REQUESTS
#define REQUESTS 2
#endif

mtype = { awaitsHead, awaitsBody, responds, isHeld, discards, hasEnded }

#define NEVER 0 /* a deadline that others see to; the others are 1 and 2, and may be the same one twice */

typedef Word { mtype phase; byte deadline }
Word word;

bool isOpen = true;  /* the client can receive something */
bool isSending;      /* the connection's thread is sending a response */
bool isApplied;      /* the request under way has had its effect */
byte arrived;

#define IS_OPEN(p)      ((p) != discards && (p) != hasEnded)
#define SET(p, d)       word.phase = p; word.deadline = d
#define STEP(statement) d_step { skip; statement }

/* Enters a phase, unless the last response was sent or the connection has ended. */
inline enter(to, until, ok) {
    d_step {
        if
        :: IS_OPEN(word.phase) -> SET(to, until); ok = true
        :: else -> ok = false
        fi
    }
}

inline choose(deadline) { if :: deadline = 1 :: deadline = 2 fi }

proctype Thread() {
    bool ok;
    byte deadline;

head:
    if
    :: atomic { arrived < REQUESTS -> arrived++; isApplied = false }
    :: atomic { !isOpen || arrived == REQUESTS -> goto over }
    fi;
    if /* with or without a body */
    :: choose(deadline);
#ifdef BODY_AWAITED_BY_STORE
       STEP(SET(awaitsBody, deadline));
       ok = true;
#else
       enter(awaitsBody, deadline, ok);
#endif
       if :: !ok -> goto over :: else fi;
piece:
       if
       :: atomic { word.phase == awaitsBody -> word.deadline = 3 - word.deadline; goto piece }
       :: skip
       :: atomic { !isOpen -> goto over } /* the body does not arrive any more */
       fi
    :: skip
    fi;

reply:
    deadline = NEVER;
#ifdef DEADLINE_WHILE_APPLYING
    choose(deadline);
#endif
    enter(responds, deadline, ok);
#ifndef REPLIES_IN_ANY_CASE
    if :: !ok -> goto over :: else fi;
#endif
    if
    :: goto set
    :: enter(isHeld, NEVER, ok);
       if :: !ok -> goto over :: else fi;
       goto reply /* once it is resumed */
    :: choose(deadline);
       enter(discards, deadline, ok); /* a refusal while the client may still be sending */
       if :: ok -> STEP(assert(isOpen && !isSending); isOpen = false) :: else fi;
       goto over
    fi;

set:
    skip;
    STEP(assert(isOpen); isApplied = true);
    choose(deadline);
    enter(responds, deadline, ok);
    assert(ok); /* what has had its effect is answered */
    STEP(isSending = true);
    if
    :: d_step { isOpen -> isSending = false; isApplied = false }
    :: atomic { !isOpen -> goto over } /* the client did not read its response in time */
    fi;
    choose(deadline);
    enter(awaitsHead, deadline, ok);
    goto head;

over:
    skip
}

proctype Watchdog() {
    Word seen;

look:
    if
    :: atomic { !IS_OPEN(word.phase) -> goto over }
    :: STEP(seen.phase = word.phase; seen.deadline = word.deadline)
    fi;
    if
    :: seen.deadline != NEVER && seen.phase == awaitsBody -> /* 408 */
        d_step {
            if
            :: word.phase == seen.phase && word.deadline == seen.deadline -> SET(discards, 1)
#ifdef REFUSED_BY_STORE
            :: else -> SET(discards, 1)
#else
            :: else -> seen.phase = hasEnded
#endif
            fi
        };
        if
        :: seen.phase == awaitsBody ->
            STEP(assert(isOpen && !isSending && !isApplied); isOpen = false)
        :: else
        fi
    :: seen.deadline != NEVER && (seen.phase == awaitsHead || seen.phase == responds) -> /* idle or late */
        d_step {
            if
            :: word.phase == seen.phase && word.deadline == seen.deadline -> SET(hasEnded, 1)
#ifdef ENDED_BY_STORE
            :: else -> SET(hasEnded, 1)
#else
            :: else -> seen.phase = hasEnded
#endif
            fi
        };
        if :: seen.phase != hasEnded -> STEP(isOpen = false) :: else fi
    :: else
    fi;
    goto look;

over:
    skip
}

init {
    atomic {
        SET(awaitsHead, 1);
        run Thread();
        run Watchdog()
    }
}
