/*
 * How text is published, borrowed and copied: Sources/SharedMemory/Publication, and Sources/SharedMemory/Attachment/Rows.swift.
 *
 * [P1] to [P6] are the steps of publishing, [B1] to [B4] of borrowing, and [R1] to [R3] of a Reader, which keeps its pin on
 * the text that it has read. [O] is the optimistic copy.
 * A STEP is one access to shared memory. Other processes run between any two steps, and a process may be killed at each step.
 * Macros in `#ifdef`s are mutants. Each breaks one thing, and Models/mutants checks that Spin finds the fault.
 */

#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef SETS
#define SETS 1        /* by the first writer */
#endif
#ifndef OTHER_SETS
#define OTHER_SETS 1  /* by each other writer; at most SETS */
#endif
#ifndef CONDITIONAL
#define CONDITIONAL 0 /* 1: a set may be conditional */
#endif
#ifndef PUNCHES
#define PUNCHES 0     /* how often, in total, a claimed slot's memory is given back instead of being filled */
#endif
#ifndef BORROWERS
#define BORROWERS 1
#endif
#ifndef BORROWS
#define BORROWS 1     /* by each borrower */
#endif
#ifndef READERS
#define READERS 0
#endif
#ifndef READS
#define READS 3       /* by each reader */
#endif
#ifndef PINS
#define PINS (BORROWERS + READERS)
#endif
#ifndef COPIES
#define COPIES 0      /* by the one optimistic reader */
#endif
#ifndef CRASHES
#define CRASHES 1     /* in total */
#endif

#define ROWS (WRITERS + BORROWERS + READERS)
#ifdef ONE_SLOT_LESS
#define SLOTS (PINS + WRITERS)
#else
#define SLOTS (PINS + WRITERS + 1)  /* like 191 = 64 + 126 + 1 */
#endif

#ifdef STAMP_IS_ZERO_WHILE_FILLED
#define BEING_FILLED 0
#else
#define BEING_FILLED 255
#endif
#define ANY 255
#define NO_SLOT 255

/* The file. The number and the current slot are one word, and so are a pin's owner and slot. An owner is a row + 1; 0 = free. */
typedef Slot {
    byte claim;
    byte stamp;
    byte text[2]; /* one word in the slot's first page, and one behind it */
    bool mark;    /* the header says that text[1] has memory */
    bool memory   /* text[1] has memory */
}
typedef Pin { byte owner; byte slot }
byte number, current;
Slot slots[SLOTS];
Pin pins[PINS + 1]; /* the last one is never used: an array cannot be empty */

bool locked[ROWS];  /* the kernel's locks on the rows */

/* Only the properties use these. */
byte published[WRITERS * SETS + 1]; /* the text of each number */
byte crashes, punches, finished;
hidden byte k, l;
hidden byte isFree, oneIsFree;

/* The kernel drops the locks of a killed process. Another process takes its place, and begins at the beginning. */
#define DIE       atomic { crashes < CRASHES -> crashes++; locked[row] = false; goto died }
#define STEP(...) if :: d_step { __VA_ARGS__ } :: DIE fi

/* Clears a row's pins and claims, one in each step, under the row's lock. */
inline reclaim() {
    do
    ::  if
        :: d_step {
            more = false;
#ifndef NO_RECLAIM_OF_PINS
            for (k : 0 .. PINS - 1) {
                if :: !more && pins[k].owner == row + 1 -> pins[k].owner = 0; pins[k].slot = 0; more = true :: else fi
            }
#endif
#ifndef NO_RECLAIM_OF_CLAIMS
            for (k : 0 .. SLOTS - 1) {
                if :: !more && slots[k].claim == row + 1 -> slots[k].claim = 0; more = true :: else fi
            }
#endif
            k = 0
        }
        :: DIE
        fi;
        if :: more -> more = false :: else -> break fi
    od
}

/* Whenever a writer looks for a slot, there is one that is neither current, nor claimed, nor pinned. */
inline assertOneIsFree() {
    oneIsFree = false;
    for (k : 0 .. SLOTS - 1) {
        isFree = (slots[k].claim == 0 && current != k);
        for (l : 0 .. PINS - 1) { if :: pins[l].owner != 0 && pins[l].slot == k -> isFree = false :: else fi }
        oneIsFree = (oneIsFree || isFree)
    }
    assert(oneIsFree);
    k = 0; l = 0; isFree = false; oneIsFree = false
}

#define mine slots[s]

/* [P2] A slot is usable if it is not current and, when looked at after that, not pinned. The order matters: a slot that
   is claimed and not current cannot become current, so a reader that pins it from now on will see that it is not. */
inline lookAtCurrent() {
#ifdef NO_LOOK_AT_CURRENT_AFTER_CLAIM
    skip
#else
    STEP(usable = (usable && current != s))
#endif
}
inline lookAtPins() {
#ifdef NO_LOOK_AT_PINS_AFTER_CLAIM
    skip
#else
    p = 0;
    do
    :: p < PINS -> STEP(usable = (usable && !(pins[p].owner != 0 && pins[p].slot == s)); p++)
    :: else -> p = 0; break
    od
#endif
}

/* [P3] The change of the stamp. */
inline beginFilling() {
    STEP(mine.stamp = BEING_FILLED)
}

inline setMark(value) { STEP(mine.mark = value) }
inline reserve()      { STEP(mine.memory = true) }
inline punch()        { STEP(mine.memory = false; mine.text[1] = 0) }

proctype Writer(byte row) {
    byte set, text, s, p, n, expected;
    bool usable, won, more;

attaching:
    atomic { !locked[row] -> locked[row] = true };
    reclaim();

next:
    atomic {
        if :: set == (row == 0 -> SETS : OTHER_SETS) -> goto detaching :: else fi;
        set++;
        text = row * SETS + set;
        if :: expected = ANY :: CONDITIONAL -> expected = number fi
    };

claiming: /* [P2] Any slot: the order in which slots are tried does not affect correctness. */
    atomic {
        d_step { assertOneIsFree() };
        s = 0;
        do :: s < SLOTS - 1 -> s++ :: break od;
        usable = true
    };
#ifdef LOOKS_BEFORE_CLAIM
    lookAtCurrent(); lookAtPins();
    if :: !usable -> goto claiming :: else fi;
#endif
#ifdef CLAIM_WITHOUT_EXCHANGE
    STEP(usable = (mine.claim == 0));
    if :: !usable -> goto claiming :: else fi;
    STEP(mine.claim = row + 1);
#else
    if
    :: d_step { mine.claim == 0 -> mine.claim = row + 1 }
    :: atomic { mine.claim != 0 -> goto claiming }
    :: DIE
    fi;
#endif
#ifdef PINS_BEFORE_CURRENT
    lookAtPins(); lookAtCurrent();
#else
#ifndef LOOKS_BEFORE_CLAIM
    lookAtCurrent(); lookAtPins();
#endif
#endif
    if
    :: !usable -> STEP(mine.claim = 0); goto claiming
    :: usable && punches < PUNCHES && mine.mark -> goto givingBack
    :: usable
    fi;

    if /* [P3] Reserves memory, then sets the mark. */
    :: mine.mark
    :: !mine.mark ->
#ifdef MARK_BEFORE_MEMORY
        setMark(true); reserve()
#else
        reserve(); setMark(true)
#endif
    fi;
#ifdef CLAIM_CLEARED_BEFORE_PUBLISHING
    STEP(mine.claim = 0);
#endif
#if !defined(NO_STAMP_WHILE_FILLED) && !defined(STAMP_AFTER_FILLING)
    beginFilling();
#endif
    /* [P4] */
    STEP(mine.text[0] = text);
    STEP(assert(mine.memory) /* or SIGBUS */; mine.text[1] = text);
#ifdef STAMP_AFTER_FILLING
    beginFilling();
#endif

#ifdef CONDITION_NOT_ASKED_AGAIN
    STEP(n = number);
    if :: expected != ANY && expected != n -> goto releasing :: else fi;
#endif
publishing: /* [P5] */
    STEP(n = number);
#ifndef CONDITION_NOT_ASKED_AGAIN
    if :: expected != ANY && expected != n -> goto releasing :: else fi;
#endif
#if !defined(STAMP_AFTER_PUBLISHING) && !defined(STAMP_ONLY_ONCE)
    STEP(mine.stamp = n + 1);
#endif
#ifdef STAMP_ONLY_ONCE
    if :: mine.stamp == BEING_FILLED -> STEP(mine.stamp = n + 1) :: else fi;
#endif
#ifdef PUBLISH_WITHOUT_EXCHANGE
#define IS_UNCHANGED true
#else
#define IS_UNCHANGED (number == n)
#endif
    STEP(won = IS_UNCHANGED;
        if
        :: won ->
            assert(number == n);                            /* numbers never go back, and no set is lost */
            assert(expected == ANY || expected == number);  /* a conditional set replaces the version it names */
            number = n + 1;
            current = s;
            published[number] = text
        :: else
        fi);
    if :: !won -> goto publishing :: else fi;
#ifdef STAMP_AFTER_PUBLISHING
    STEP(mine.stamp = n + 1);
#endif

releasing: /* [P6] */
    STEP(mine.claim = 0);
    d_step { s = 0; n = 0; usable = false; won = false };
    goto next;

givingBack: /* When memory runs out, a free slot gives back all memory behind its first page. */
    punches++;
#ifndef NO_STAMP_BEFORE_PUNCH
    beginFilling();
#endif
#ifdef PUNCH_BEFORE_MARK
    punch(); setMark(false);
#else
    setMark(false); punch();
#endif
    STEP(mine.claim = 0);
    goto claiming;

died:
    atomic { s = 0; p = 0; n = 0; usable = false; won = false; more = false };
    goto attaching;

detaching:
    atomic { text = 0; expected = 0; locked[row] = false; finished++ }
}

/* Reads a word of the borrowed text, which is, and stays, the text of that number. */
#define READ(word) STEP(assert(slots[s].text[word] == published[n]))

proctype Borrower(byte row) {
    byte borrow, p, n, s;
    bool same, more;

attaching:
    atomic { !locked[row] -> locked[row] = true };
    reclaim();

next:
    if :: d_step { borrow < BORROWS -> borrow++ } :: atomic { borrow == BORROWS -> goto detaching } fi;

    STEP(n = number; s = current); /* [B1] */
    if :: n == 0 -> goto next :: else fi;
#ifdef PIN_AFTER_RECHECK
    STEP(same = (number == n); n = number; s = current);
#endif
    if
    :: atomic {
        p = 0;
        do :: p < PINS - 1 -> p++ :: break od;
        if
        :: pins[p].owner == 0 -> pins[p].owner = row + 1; pins[p].slot = s
        :: else -> goto next /* all pins are taken: it would copy as the optimistic reader does */
        fi }
    :: DIE
    fi;
#if !defined(NO_RECHECK_OF_CURRENT_AFTER_PIN) && !defined(PIN_AFTER_RECHECK)
    do /* [B2] */
#ifdef RECHECK_OF_SLOT_ONLY
    ::  STEP(same = (current == s); s = current);
#else
    ::  STEP(same = (number == n && current == s); n = number; s = current);
#endif
        if :: same -> break :: else fi;
        STEP(pins[p].slot = s);
#ifdef RECHECK_ONLY_ONCE
        break
#endif
    od;
#endif
#ifdef PIN_GIVEN_BACK_BEFORE_READING
    STEP(pins[p].owner = 0; pins[p].slot = 0);
    READ(0); READ(1);
#else
    READ(0); READ(1); /* [B3] */
    STEP(pins[p].owner = 0; pins[p].slot = 0); /* [B4] */
#endif
    d_step { p = 0; n = 0; s = 0; same = false };
    goto next;

died:
    atomic { p = 0; n = 0; s = 0; same = false; more = false };
    goto attaching;

detaching:
    atomic { locked[row] = false; finished++ }
}

#if READERS > 0
proctype Reader(byte row) {
    byte read, p, n, s, before;
    bool same, more;

attaching:
    atomic { !locked[row] -> locked[row] = true };
    reclaim();

    if /* [R1] Takes a pin, at first on no slot. */
    :: atomic {
        p = 0;
        do :: p < PINS - 1 -> p++ :: break od;
        if
#ifdef OWNED_WITHOUT_EXCHANGE
        :: true -> pins[p].owner = row + 1; pins[p].slot = NO_SLOT
#else
        :: pins[p].owner == 0 -> pins[p].owner = row + 1; pins[p].slot = NO_SLOT
        :: else -> goto detaching /* all pins are taken */
#endif
        fi }
    :: DIE
    fi;

next:
    if
    :: d_step { read < READS -> read++; before = number }
    :: atomic { read == READS -> goto closing }
    :: n != 0 -> /* Unpins the text that it has read. */
        STEP(pins[p].slot = NO_SLOT);
#ifndef READS_ON_AFTER_UNPIN
        d_step { n = 0; s = 0 };
#endif
        goto next
    fi;

    /* [R2] If it is still the current text, there is nothing to pin. */
#ifdef NO_LOOK_WHETHER_CURRENT
    if :: n != 0 -> goto reading :: else fi;
#endif
    STEP(same = (number == n && current == s); n = number; s = current);
    if :: n == 0 -> before = 0; goto next :: else fi;
    if
    :: same
    :: !same -> /* [R3] Moves its pin to the current text, as in [B1] and [B2]. */
#ifndef NEXT_READ_UNDER_THE_OLD_PIN
        do
        ::  STEP(pins[p].slot = s);
#ifdef NO_RECHECK_BY_READER
            break
#else
#ifdef RECHECK_OF_SLOT_ONLY_BY_READER
            STEP(same = (current == s); s = current);
#else
            STEP(same = (number == n && current == s); n = number; s = current);
#endif
            if :: same -> break :: else fi
#endif
        od
#else
        skip
#endif
    fi;
    same = false;
reading: skip;
    d_step { assert(n >= before); before = 0 }; /* the text that was current when the read began, or newer */
    READ(0); READ(1);
    goto next;

closing:
    STEP(pins[p].owner = 0; pins[p].slot = 0);
    goto detaching;

died:
    atomic { p = 0; n = 0; s = 0; before = 0; same = false; more = false };
    goto attaching;

detaching:
    atomic { p = 0; n = 0; s = 0; before = 0; locked[row] = false; finished++ }
}
#endif

/* [O] The optimistic reader writes nothing, so its death has no effect and is not modelled. */
proctype OptimisticReader() {
    byte copy, n, s, text[2], last;

    do
    :: copy == COPIES -> break
    :: copy < COPIES ->
        d_step {
            n = number; s = current;
            assert(n == 0 || slots[s].stamp == n) /* a reader that is not overtaken can read the current text */
        };
#ifndef NUMBER_ZERO_IS_READ
        if :: n == 0 -> copy++; goto again :: else fi;
#endif
        if :: slots[s].stamp != n -> goto again :: else fi;
        text[0] = slots[s].text[0];
        text[1] = slots[s].text[1];
#ifdef NO_SECOND_LOOK_AT_STAMP
        d_step {
#else
        if :: slots[s].stamp != n -> goto again :: else fi;
        d_step {
#endif
            assert(text[0] == published[n] && text[1] == published[n]);
            assert(n >= last);
            last = n;
            copy++
        };
again:  atomic { n = 0; s = 0; text[0] = 0; text[1] = 0 }
    od
}

/* Sweeps the rows of dead processes. When all others have finished, nothing may be left. */
proctype Sweeper() {
    byte row;
    bool more;

    do
    ::  atomic {
            row = 0;
            do :: row < ROWS - 1 -> row++ :: break od;
#ifndef SWEEP_OF_LIVING
            if :: locked[row] -> goto next :: else fi;
#ifndef SWEEP_WITHOUT_LOCK
            locked[row] = true
#endif
#endif
        };
        reclaim();
#if !defined(SWEEP_OF_LIVING) && !defined(SWEEP_WITHOUT_LOCK)
        locked[row] = false;
#endif
died: next:
        atomic { row = 0; more = false }
    ::  d_step {
            finished == ROWS ->
            for (k : 0 .. PINS - 1) { assert(pins[k].owner == 0) }
            for (k : 0 .. SLOTS - 1) { assert(slots[k].claim == 0) }
            k = 0
        };
        break
    od
}

init {
    atomic {
        for (k : 0 .. WRITERS - 1) { run Writer(k) }
        for (k : WRITERS .. WRITERS + BORROWERS - 1) { run Borrower(k) }
#if READERS > 0
        for (k : WRITERS + BORROWERS .. ROWS - 1) { run Reader(k) }
#endif
        if :: COPIES > 0 -> run OptimisticReader() :: else fi;
        run Sweeper();
        k = 0
    }
}
