/*
 * A replicated segment and the processes on its host: a server marks the segment, and local sets are refused from then on.
 *
 * [S1] to [S4] are the steps of a server that replicates, [L1] to [L3] of a local set, and [R1] to [R3] of a release. Of
 * several servers, the one with the lock on the segment's file replicates. The kernel releases the lock of a killed process. The
 * mark outlives the server: without it, a local set would be overwritten when a server runs again.
 * Macros in `#ifdef`s are mutants. Each breaks one thing, and Models/mutants checks that Spin finds the fault.
 */

#ifndef SERVERS
#define SERVERS 1
#endif
#ifndef SETS
#define SETS 2      /* local sets, in total, */
#endif
#ifndef SETTERS
#define SETTERS 1   /* and the processes that make them */
#endif
#ifndef OLD_SETS
#define OLD_SETS 0  /* 1: a set may be an older library's, which does not look at the mark */
#endif
#ifndef CHANGES
#define CHANGES 1   /* of the source's text */
#endif
#ifndef RELEASES
#define RELEASES 1
#endif
#ifndef CRASHES
#define CRASHES 1   /* of servers, which start again, and of releases */
#endif

/* Text is the source's version, or a local text above. */
#define LOCAL     (CHANGES + 2)
#define RELEASER  (SERVERS + 1)

byte source = 1;    /* the version that the source has */
byte text, number;  /* the segment's text and the number of its version; at first it has the source's text or none */
bool mark;
byte lock;          /* 0, a server + 1, or RELEASER */
bool isKilled[SERVERS];

/* Only the properties use these. */
bool isReplicated;  /* processes have seen replicated text since the last release */
byte releases, crashes, setsLeft = SETS, finished;
byte textEpoch;     /* the releases before the set of the current local text began */
byte lockEpoch[SERVERS];
byte over;
bool isQuiet;

#define STEP(...) d_step { skip; __VA_ARGS__ }
#define IF_ALIVE(condition, ...) atomic { !isKilled[s] && (condition) -> __VA_ARGS__ }
#define KILLED atomic { isKilled[s] -> goto start }

/* A server overwrites a local text only if it took the lock after the release that permitted this text. */
inline publish(t) {
    assert(text < LOCAL || lockEpoch[s] >= textEpoch);
    text = t; number++; published = number;
    isReplicated = true
}

inline takeMark() {
    wasMarked = mark;
#ifdef MARKED_ONLY_WITH_NEW_TEXT
    if :: text != adopted -> mark = true :: else fi
#else
    mark = true
#endif
}

proctype Server(byte s) {
    byte adopted, published;
    bool wasMarked;

start:
    atomic { isKilled[s] = false; published = 0; wasMarked = false; adopted = source };

    /* [S1] The lock, or later. */
    if
#ifdef NO_LOCK
    :: IF_ALIVE(true, lockEpoch[s] = releases)
#else
    :: IF_ALIVE(lock == 0, lock = s + 1; lockEpoch[s] = releases)
#endif
    :: IF_ALIVE(isQuiet && lock != 0, goto end)
    :: KILLED
    fi;

#ifdef MARKED_AFTER_PUBLISHING
    if :: IF_ALIVE(true, publish(adopted)) :: KILLED fi;
    if :: IF_ALIVE(true, takeMark()) :: KILLED fi;
#else
    /* [S2] The mark, */
    if :: IF_ALIVE(true, takeMark()) :: KILLED fi;
    /* [S3] then the text, unless the segment has it, as after a restart. A server that ends before that leaves no mark behind. */
    if
    :: IF_ALIVE(text == adopted, published = number)
    :: IF_ALIVE(text != adopted, publish(adopted))
#ifdef MARK_CLEARED_THAT_WAS_THERE
    :: IF_ALIVE(!isQuiet && lock == s + 1, mark = false; lock = 0; goto start)
#else
    :: IF_ALIVE(!isQuiet && lock == s + 1 && !wasMarked, mark = false; lock = 0; goto start)
#endif
    :: KILLED
    fi;
#endif

    /* [S4] It publishes later versions, and overwrites local sets that slipped through. */
    do
    :: IF_ALIVE(adopted < source, adopted = source; publish(adopted))
#ifndef NOT_SET_BACK
    :: IF_ALIVE(number != published, assert(text >= LOCAL); publish(adopted))
#endif
    :: IF_ALIVE(isQuiet && number == published && adopted == source, goto end)
#ifdef NOT_SET_BACK
    :: IF_ALIVE(isQuiet && adopted == source, goto end)
#endif
    :: KILLED
    od;

end:
    atomic {
#ifdef MARK_CLEARED_AT_THE_END
        if :: lock == s + 1 -> mark = false :: else fi;
#endif
        adopted = 0; published = 0; wasMarked = false;
        over++ /* with the lock */
    }
}

/* A process that sets the text. */
proctype Setter(byte id) {
    byte epoch, base;
    bool isConditional, isOld;

    do
    :: atomic { setsLeft > 0 ->
            setsLeft--;
            epoch = releases;
            if :: isConditional = true :: true fi;
            if :: OLD_SETS -> isOld = true :: true fi
        };
look:   /* [L1] The current version, then [L2] the mark, */
        atomic { base = number };
        if
        :: atomic { !mark || isOld -> skip };
            /* [L3] then the exchange. */
            if
#ifdef MARK_NOT_LOOKED_AT_AGAIN
            :: atomic { base == number || !isConditional ->
#else
            :: atomic { base == number ->
#endif
                    /* No local text replaces what a server has published. */
                    assert(!isReplicated || isOld);
                    text = LOCAL + id; number++; textEpoch = epoch
                }
            :: atomic { base != number && isConditional -> skip } /* version mismatch */
            :: atomic { base != number && !isConditional -> goto look }
            fi
        :: atomic { mark && !isOld -> skip } /* refused */
        fi;
        atomic { isConditional = false; isOld = false; epoch = 0; base = 0 }
    :: atomic { setsLeft == 0 -> finished++; break }
    od
}

/* `sharedmem release` */
proctype Releaser() {
    byte left = RELEASES;

    do
    :: atomic { left > 0 -> left-- };
#ifdef RELEASED_WITHOUT_LOCK
        STEP(mark = false; releases++; isReplicated = false)
#else
        if
        :: atomic { lock == 0 -> lock = RELEASER }; /* [R1] */
#ifdef LOCK_DROPPED_BEFORE_MARK
            STEP(lock = 0);
            STEP(mark = false; releases++; isReplicated = false)
#else
            if
            :: STEP(mark = false; releases++; isReplicated = false) /* [R2] */
            :: atomic { crashes < CRASHES -> crashes++ }
            fi;
            STEP(lock = 0) /* [R3] */
#endif
        :: atomic { lock != 0 -> skip } /* A server replicates the text. */
        fi
#endif
    :: atomic { left == 0 -> finished++; break }
    od
}

proctype World() {
    byte r;

    do
    :: d_step { !isQuiet && source <= CHANGES -> source++ }
    :: atomic { !isQuiet && crashes < CRASHES ->
            r = 0;
            do :: r < SERVERS - 1 -> r++ :: break od;
            STEP(crashes++;
                isKilled[r] = true;
                if :: lock == r + 1 -> lock = 0 :: else fi;
#ifdef MARK_CLEARED_WITH_THE_LOCK
                if :: lock == 0 -> mark = false :: else fi;
#endif
                r = 0)
        }
    :: d_step { !isQuiet && finished == SETTERS + 1 -> isQuiet = true }
    :: atomic { isQuiet -> break }
    od;
    /* All have finished but the servers: the segment has the source's text, and is marked. */
    over == SERVERS -> assert(text == source && mark)
}

init {
    atomic {
        if :: text = 1 :: true fi;
        byte k;
        for (k : 1 .. SERVERS) { run Server(k - 1) }
        for (k : 1 .. SETTERS) { run Setter(k - 1) }
        run Releaser();
        run World();
        k = 0
    }
}
