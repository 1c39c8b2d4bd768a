/*
 * The lifetime of a segment: attaching, detaching and unlinking, as in Sources/SharedMemory/Attachment and Segment.unlink.
 *
 * [A1] to [A4] are the steps of attaching, [D] is detaching, and [L] is the law of names.
 * A progress label marks each place where an attach ends, whatever its result.
 * A STEP is one system call. Other processes run between any two steps, and a process may be killed at each step.
 * Macros in `#ifdef`s are mutants. Each breaks one thing, and Models/mutants checks that Spin finds the fault.
 */

#ifndef ATTACHERS
#define ATTACHERS 2   /* read-write attachments */
#endif
#ifndef READERS
#define READERS 0     /* read-only attachments */
#endif
#ifndef ROUNDS
#define ROUNDS 1      /* how often each attaches and detaches */
#endif
#ifndef PERSISTENT
#define PERSISTENT 0  /* 1: an attach may ask for persistence */
#endif
#ifndef UNLINKS
#define UNLINKS 0     /* explicit unlinks, all by one process */
#endif
#ifndef CRASHES
#define CRASHES 1     /* in total */
#endif

#define PROCESSES (ATTACHERS + READERS)
#define FILES     (1 + ATTACHERS * ROUNDS)
#define NOTHING   255

/* A file, the kernel's locks on it, and variables that only the properties use. */
typedef File {
    bool persistent;
    byte sharers;    /* of the lifetime lock: one bit for each process */
    byte exclusive;  /* the process that holds the lifetime lock exclusively, + 1 */
    byte nameLock;   /* the process that holds it, + 1 */

    byte attached;   /* how many processes are, from the end of their attach to the beginning of their detach */
    byte members;    /* the processes that keep it alive, from their shared lock on: one bit for each */
    bool isOver;     /* the last member has left: no process may see its text again */
    bool isUnlinked  /* by an explicit unlink */
}
File files[FILES];   /* the first was left behind by a killed process */
byte name, created;  /* the file that the name leads to; how many files were created after the first */

byte overFor[PROCESSES];       /* the file that was already over when the process began to attach */
bool sawNoSegment[PROCESSES];  /* whether there has been a moment without a segment since then */
byte crashes, finished;
hidden byte k;

#define it     files[f]
#define ME     (1 << me)
#define OTHERS (it.sharers & ~ME)
#define ISALIVE(file) (file != NOTHING && (files[file].members != 0 || files[file].persistent))

#define DIE       atomic { crashes < CRASHES -> crashes++; dropLocks(); goto died }
#define STEP(...) if :: d_step { skip; __VA_ARGS__ } :: DIE fi

/* The kernel drops a descriptor's locks when it is closed. */
inline dropLocks() {
    if
    :: f != NOTHING ->
        if :: it.exclusive == me + 1 -> it.exclusive = 0 :: else fi;
        if :: it.nameLock == me + 1 -> it.nameLock = 0 :: else fi;
        dropShared()
    :: else
    fi
}

inline dropShared() {
    if :: isAttached -> it.attached--; isAttached = false :: else fi;
    it.sharers = it.sharers & ~ME;
    if
    :: it.members & ME ->
        it.members = it.members & ~ME;
        if :: it.members == 0 && !it.persistent -> it.isOver = true :: else fi;
        observe()
    :: else
    fi
}

/* Follows every step that may end a segment. */
inline observe() {
    for (k : 0 .. PROCESSES - 1) { if :: !ISALIVE(name) -> sawNoSegment[k] = true :: else fi }
    k = 0
}

/* A process with the shared lock is a member, unless the segment was over before its attach began. Then there must be
   other members. */
inline becomeMember() {
    if
    :: name == f && overFor[me] != f ->
        it.members = it.members | ME;
        it.isOver = false;
        for (k : 0 .. PROCESSES - 1) { if :: overFor[k] == f -> overFor[k] = NOTHING :: else fi }
        k = 0
    :: else
    fi
}

inline becomeAttached() {
    assert(overFor[me] != f);  /* the first to attach after the last has left finds it empty */
    for (k : 0 .. FILES - 1) {
        assert(k == f || files[k].attached == 0 || files[k].isUnlinked) /* never two living segments under one name */
    }
    k = 0;
    it.attached++;
    isAttached = true
}

/* [L] A process unlinks a name only while it holds the file's name lock, and after checking that the name still leads to
   the file. */
inline removeName(explicitly) {
#ifdef NO_NAME_LOCK
    granted = true;
#else
#ifdef NAME_CHECK_BEFORE_NAME_LOCK
    STEP(leads = (name == f));
#endif
    STEP(granted = (it.nameLock == 0); if :: granted -> it.nameLock = me + 1 :: else fi);
#endif
    if
    :: granted ->
#ifdef NO_NAME_CHECK_BEFORE_UNLINK
        leads = true;
#else
#ifndef NAME_CHECK_BEFORE_NAME_LOCK
        STEP(leads = (name == f));
#endif
#endif
        if
        :: leads ->
            STEP(assert(name == f || name == NOTHING);                        /* the file that was meant is unlinked, */
                assert(explicitly || it.attached == 0 && !it.persistent);     /* and a living one only explicitly */
                it.isUnlinked = (it.isUnlinked || explicitly);
                name = NOTHING;
                observe())
        :: else
        fi;
        STEP(it.nameLock = 0)
    :: else
    fi
}

/* Checks whether the segment is not persistent and no process is attached to it. If so, locks the lifetime. */
inline lookWhetherLeftover() {
    isLeftover = false;
    granted = false;
#ifdef PERSISTENCE_NOT_LOOKED_AT
    persists = false;
#else
    STEP(persists = it.persistent);
#endif
    if
    :: !persists ->
        STEP(granted = (it.exclusive == 0 && OTHERS == 0); if :: granted -> it.exclusive = me + 1; it.sharers = 0 :: else fi);
#ifdef NO_SECOND_LOOK_AT_PERSISTENCE
        isLeftover = granted
#else
        if :: granted -> STEP(isLeftover = !it.persistent) :: else fi
#endif
    :: else
    fi
}

#define CLOSE STEP(dropLocks())

proctype Process(byte me; bool isReader) {
    byte round, f = NOTHING;
    bool asksForPersistence, persists, granted, leads, isLeftover, isAttached;

next:
    atomic {
        f = NOTHING; persists = false; granted = false; leads = false; isLeftover = false;
        if :: round == ROUNDS -> goto done :: else fi;
        round++;
        if :: asksForPersistence = false :: PERSISTENT && !isReader -> asksForPersistence = true fi;
        overFor[me] = NOTHING;
        if :: name != NOTHING -> if :: files[name].isOver -> overFor[me] = name :: else fi :: else fi;
        sawNoSegment[me] = !ISALIVE(name)
    };

again:
    STEP(f = name; persists = false; granted = false; leads = false; isLeftover = false); /* [A1] */
    if
    :: f == NOTHING && isReader -> goto progressNotFound
    :: f == NOTHING && !isReader -> /* No other process can see the unnamed file before it is linked. */
#ifdef LINK_BEFORE_LOCK
        STEP(if :: name == NOTHING -> created++; f = created; name = f; it.persistent = asksForPersistence :: else fi);
        if :: f == NOTHING -> goto again :: else fi;
        STEP(granted = (it.exclusive == 0); if :: granted -> it.sharers = it.sharers | ME; becomeMember() :: else fi);
        if :: !granted -> CLOSE; goto next :: else fi;
        STEP(becomeAttached());
#else
        STEP(if
            :: name == NOTHING ->
                created++; f = created; name = f;
                it.persistent = asksForPersistence;
                it.sharers = ME; becomeMember(); becomeAttached()
            :: else
            fi);
        if :: f == NOTHING -> goto again :: else fi;
#endif
        goto progressAttached
    :: else
    fi;

    /* [A3] */
#ifdef PERSISTENCE_SET_BEFORE_LOCK
    if :: asksForPersistence -> STEP(it.persistent = true) :: else fi;
#endif
    if
    :: isReader ->
#ifdef READER_LOOKS_AT_PERSISTENCE_FIRST
        STEP(persists = it.persistent);
        if :: !persists -> STEP(granted = (OTHERS != 0)) :: else fi;
#else
        STEP(granted = (OTHERS != 0));
        if :: !granted -> STEP(persists = it.persistent) :: else fi;
#endif
        if :: !persists && !granted -> goto progressNotFound :: else fi
    :: else ->
        lookWhetherLeftover();
        if
        :: isLeftover ->
#ifdef LIFETIME_DROPPED_BEFORE_UNLINK
            STEP(it.exclusive = 0);
#endif
#ifndef LEFTOVER_NOT_REMOVED
            removeName(false);
#endif
            CLOSE; goto again
        :: else
        fi;
#ifndef REFUSAL_TAKEN_FOR_LIFE
        if
        :: !granted && !persists -> /* A refusal may come from another exclusive lock. Only a shared one is a sign of life. */
            STEP(granted = (OTHERS != 0));
            if :: !granted -> CLOSE; goto again :: else fi
        :: else
        fi
#endif
    fi;
#ifdef NAME_CHECK_BEFORE_SHARED_LOCK
    STEP(leads = (name == f));
#endif
#ifdef NO_SHARED_LOCK
    STEP(becomeMember());
#else
    STEP(granted = (it.exclusive == 0 || it.exclusive == me + 1);
        if :: granted -> it.exclusive = 0; it.sharers = it.sharers | ME; becomeMember() :: else fi);
    if :: !granted -> CLOSE; goto again :: else fi;
#endif
#ifdef NO_NAME_CHECK_AFTER_SHARED_LOCK
    STEP(becomeAttached());
#else
#ifdef NAME_CHECK_BEFORE_SHARED_LOCK
    STEP(if :: leads -> becomeAttached() :: else fi);
#else
    STEP(leads = (name == f); if :: leads -> becomeAttached() :: else fi);
#endif
    if :: !leads -> CLOSE; goto again :: else fi;
#endif
#ifndef PERSISTENCE_SET_BEFORE_LOCK
    if :: asksForPersistence -> STEP(it.persistent = true) :: else fi;
#endif

progressAttached: /* [D] */
#ifdef DETACH_BY_UPGRADE
    if :: isAttached -> d_step { it.attached--; isAttached = false } :: else fi;
#else
    STEP(dropShared());
#endif
#ifdef DETACH_WITHOUT_EXCLUSIVE
    STEP(isLeftover = !it.persistent);
    granted = true;
#else
    if :: isReader -> STEP(leads = (name == f)); if :: !leads -> goto closing :: else fi :: else fi; /* opens it again, for writing */
    lookWhetherLeftover();
#endif
    if :: isLeftover -> removeName(false) :: else fi;
closing:
    CLOSE;
    goto next;

progressNotFound:
    STEP(assert(sawNoSegment[me]));
    goto next;

died:
    goto next;

done:
    atomic {
        finished++;
        /* If no process was killed, nothing is left behind. */
        assert(finished < PROCESSES || UNLINKS > 0 || crashes > 0 || name == NOTHING || files[name].persistent)
    }
}

/* `sharedmem unlink` */
proctype Unlinker(byte me) {
    byte unlinks, f = NOTHING;
    bool granted, leads, isAttached;

    do
    :: unlinks == UNLINKS -> break
    :: unlinks < UNLINKS ->
again:  STEP(f = name; granted = false; leads = false);
        if
        :: f != NOTHING ->
            removeName(true);
            CLOSE;
            if :: !granted -> goto again :: else fi
        :: else
        fi;
died:   atomic { f = NOTHING; granted = false; leads = false; unlinks++ }
    od
}

init {
    atomic {
        files[0].isOver = true;
        for (k : 0 .. ATTACHERS - 1) { run Process(k, false) }
        for (k : ATTACHERS .. PROCESSES - 1) { run Process(k, true) }
        if :: UNLINKS > 0 -> run Unlinker(PROCESSES) :: else fi;
        k = 0
    }
}
