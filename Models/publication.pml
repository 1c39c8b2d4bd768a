/*
 * How text is published, borrowed and copied: Sources/SharedMemory/Publication, and Sources/SharedMemory/Attachment/Rows.swift.
 *
 * [A] is how a process takes a row. [P1] to [P6] are the steps of publishing, [B1] to [B4] of borrowing, and [R1] to [R3] of
 * a Reader, which keeps its pin on the text that it has read. [O] is the optimistic copy, which a Reader without a pin keeps.
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
#define PUNCHES 0     /* how often, in total, a writer gives back the memory of a slot before it sets */
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
#define COPIES 0      /* reads by the one optimistic reader */
#endif
#ifndef TRANSIENT
#define TRANSIENT 0   /* 1: a process takes any row, and a writer gives it up after each set; 0: each has a row of its own */
#endif
#define PROCESSES (WRITERS + BORROWERS + READERS)
#ifndef ROWS
#define ROWS PROCESSES
#endif
#ifndef CRASHES
#define CRASHES 1     /* in total */
#endif

/* One slot more than pins and rows together, but none for a row that no writer can take. */
#if TRANSIENT
#define FILLED ROWS
#else
#define FILLED WRITERS
#endif
#ifdef ONE_SLOT_LESS
#define SLOTS (PINS + FILLED)
#else
#define SLOTS (PINS + FILLED + 1)
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
    byte text[2];  /* one word in the slot's first page, and one behind it */
    bool reserved; /* the header says that text[1] has memory */
    bool memory    /* text[1] has memory */
}
typedef Pin { byte owner; byte slot }
byte number, current;
Slot slots[SLOTS];
Pin pins[PINS + 1]; /* the last one is never used: an array cannot be empty */

/* The marks: how many pins, slots and rows have ever been in use. Neither a writer nor a sweep looks at or above them. */
byte pinMark, slotMark, rowMark;
byte pinMemory, slotMemory; /* how many pins and slot headers have memory */

bool locked[ROWS];  /* the kernel's locks on the rows */

/* Only the properties use these. */
byte published[WRITERS * SETS + 1]; /* the text of each number */
byte crashes, punches, finished;
hidden byte k, l;
hidden byte isFree, oneIsFree;

/* The kernel drops the locks of a killed process. Another process takes its place, and begins at the beginning. */
#define DIE       atomic { crashes < CRASHES -> crashes++; locked[row] = false; goto died }
#define STEP(...) if :: d_step { __VA_ARGS__ } :: DIE fi

/* A process raises a mark before it uses a pin, slot or row at or above it. If it is killed in between, the mark is higher
   than it need be. Reserving memory first is not a step of its own, because no process looks at that memory until the mark
   has been raised. */
#ifdef MARK_LOWERED
#define RAISE(mark, value) mark = value
#else
#define RAISE(mark, value) if :: mark < value -> mark = value :: else fi
#endif
#define RESERVE(memory, value) if :: memory < value -> memory = value :: else fi
#ifdef MARK_RAISED_BEFORE_MEMORY
#define RAISE_PIN_MARK(value)  STEP(RAISE(pinMark, value)); STEP(RESERVE(pinMemory, value))
#define RAISE_SLOT_MARK(value) STEP(RAISE(slotMark, value)); STEP(RESERVE(slotMemory, value))
#else
#define RAISE_PIN_MARK(value)  STEP(RESERVE(pinMemory, value); RAISE(pinMark, value))
#define RAISE_SLOT_MARK(value) STEP(RESERVE(slotMemory, value); RAISE(slotMark, value))
#endif

/* Where a row's dead owner may have left a pin or a claim: below the marks, loaded under the row's lock. */
#ifdef MARKS_LOADED_BEFORE_LOCK
#define LOADED_MARKS byte pinsSeen, slotsSeen
#else
#define LOADED_MARKS skip
#define pinsSeen pinMark
#define slotsSeen slotMark
#endif

/* Clears one of a row's pins and claims, if it has one. */
inline clearOne() {
    assert(pinsSeen <= pinMemory && slotsSeen <= slotMemory); /* or SIGBUS */
    more = false;
#ifndef NO_RECLAIM_OF_PINS
    for (k : 0 .. pinsSeen - 1) {
        if :: !more && pins[k].owner == row + 1 -> pins[k].owner = 0; pins[k].slot = 0; more = true :: else fi
    }
#endif
#ifndef NO_RECLAIM_OF_CLAIMS
    for (k : 0 .. slotsSeen - 1) {
        if :: !more && slots[k].claim == row + 1 -> slots[k].claim = 0; more = true :: else fi
    }
#endif
    k = 0
}

/* Clears a row's pins and claims, one in each step, under the row's lock. */
inline reclaim() {
    do
    ::  if :: d_step { clearOne() } :: DIE fi;
        if :: more -> more = false :: else -> break fi
    od
}

/* [A] Takes a row when the process first needs one. The mark is raised before anything can be left in the row: here before
   the row is locked. With TRANSIENT=0 the two are one step. */
inline takeRow() {
#if TRANSIENT
#ifdef MARKS_LOADED_BEFORE_LOCK
    d_step { pinsSeen = pinMark; slotsSeen = slotMark };
#endif
    atomic { row = 0; do :: row < rowMark && row < ROWS - 1 -> row++ :: break od };
#ifndef ROW_MARK_RAISED_AFTER_CLAIM
    d_step { RAISE(rowMark, row + 1) };
#endif
    if
    :: atomic { !locked[row] -> locked[row] = true }
    :: atomic { locked[row] -> row = 0; goto seekingRow }
    fi;
#else
    row = me;
    atomic { !locked[row] -> locked[row] = true; RAISE(rowMark, row + 1) };
#endif
    reclaim()
}

/* A row is given up when it has no pin and no claim left. */
inline giveUpRow() { d_step { locked[row] = false; row = 0 } }

/* Takes a pin and puts it on a slot. Any pin, even far above the mark: the order in which pins are tried does not affect
   correctness, and the code raises the mark for several pins at once. */
inline takePin(onSlot) {
    atomic { p = 0; do :: p < PINS - 1 -> p++ :: break od };
#if !defined(PIN_MARK_NEVER_RAISED) && !defined(PIN_MARK_RAISED_AFTER_PIN) && !defined(PIN_MARK_RAISED_AFTER_RECHECK)
    if :: p >= pinMark -> RAISE_PIN_MARK(p + 1) :: else fi;
#endif
    if
    :: atomic {
        if
#ifdef OWNED_WITHOUT_EXCHANGE
        :: true -> pins[p].owner = row + 1; pins[p].slot = onSlot
#else
        :: pins[p].owner == 0 -> pins[p].owner = row + 1; pins[p].slot = onSlot
        :: else -> goto withoutPin
#endif
        fi }
    :: DIE
    fi;
#ifdef PIN_MARK_RAISED_AFTER_PIN
    if :: p >= pinMark -> RAISE_PIN_MARK(p + 1) :: else fi
#endif
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
#define assertMine() assert(mine.claim == 0 || mine.claim == row + 1) /* no other writer fills the slot */

/* [P2] A slot is usable if it is not current and, when looked at after that, not pinned. The order matters: a slot that
   is claimed and not current cannot become current, so a reader that pins it from now on will see that it is not. This
   includes a reader with a pin at or above the mark, if the mark is loaded last too: the pin is taken later. */
inline lookAtCurrent() {
#ifdef NO_LOOK_AT_CURRENT_AFTER_CLAIM
    skip
#else
    STEP(usable = (usable && current != s))
#endif
}
inline loadPinMark() { STEP(m = pinMark) }
inline lookAtPins() {
#ifdef NO_LOOK_AT_PINS_AFTER_CLAIM
    skip
#else
#if !defined(PIN_MARK_LOADED_BEFORE_CLAIM) && !defined(PIN_MARK_LOADED_BEFORE_CURRENT)
    loadPinMark();
#endif
    p = 0;
    do
    :: p < m ->
        STEP(
            assert(p < pinMemory); /* or SIGBUS */
            usable = (usable && !(pins[p].owner != 0 && pins[p].slot == s));
            p++)
    :: atomic { p == m -> p = 0; m = 0; break }
    od
#endif
}

/* [P3] The change of the stamp. */
inline beginFilling() {
    STEP(mine.stamp = BEING_FILLED)
}

inline setReserved(value) { STEP(mine.reserved = value) }
inline reserve()          { STEP(mine.memory = true) }
inline punch()            { STEP(mine.memory = false; mine.text[1] = 0) }

proctype Writer(byte me) {
    byte row, set, text, s, p, m, n, expected;
    bool usable, won, more;
    LOADED_MARKS;

attaching:
#if !TRANSIENT
    takeRow();
#endif

next:
    atomic {
        if :: set == (me == 0 -> SETS : OTHER_SETS) -> goto detaching :: else fi;
        set++;
        text = me * SETS + set;
        if :: expected = ANY :: CONDITIONAL -> expected = number fi
    };
#if TRANSIENT
seekingRow:
    takeRow();
#endif

claiming: /* [P2] Any slot: the order in which slots are tried does not affect correctness. */
    atomic {
        d_step { assertOneIsFree() };
        s = 0;
        do :: s < slotMark && s < SLOTS - 1 -> s++ :: break od;
        usable = true
    };
#ifndef SLOT_MARK_RAISED_AFTER_CLAIM
    if :: s >= slotMark -> RAISE_SLOT_MARK(s + 1) :: else fi;
#endif
#ifdef PIN_MARK_LOADED_BEFORE_CLAIM
    loadPinMark();
#endif
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
#ifdef SLOT_MARK_RAISED_AFTER_CLAIM
    if :: s >= slotMark -> RAISE_SLOT_MARK(s + 1) :: else fi;
#endif
#ifdef ROW_MARK_RAISED_AFTER_CLAIM
    STEP(RAISE(rowMark, row + 1));
#endif
#ifdef PIN_MARK_LOADED_BEFORE_CURRENT
    loadPinMark();
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
    :: usable && punches < PUNCHES && mine.reserved -> goto givingBack
    :: usable
    fi;

    if /* [P3] Reserves memory, then says so. */
    :: mine.reserved
    :: !mine.reserved ->
#ifdef RESERVED_BEFORE_MEMORY
        setReserved(true); reserve()
#else
        reserve(); setReserved(true)
#endif
    fi;
#ifdef CLAIM_CLEARED_BEFORE_PUBLISHING
    STEP(mine.claim = 0);
#endif
#if !defined(NO_STAMP_WHILE_FILLED) && !defined(STAMP_AFTER_FILLING)
    beginFilling();
#endif
    /* [P4] */
    STEP(assertMine(); mine.text[0] = text);
    STEP(assertMine(); assert(mine.memory) /* or SIGBUS */; mine.text[1] = text);
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

#ifdef PINNED_IN_A_TRANSIENT_ROW
    RAISE_PIN_MARK(1);
    if
    :: atomic { pins[0].owner == 0 -> pins[0].owner = row + 1; pins[0].slot = s }
    :: pins[0].owner != 0 -> goto releasing
    fi;
    if :: number == n + 1 :: else -> STEP(pins[0].owner = 0; pins[0].slot = 0); goto releasing fi;
    mine.claim = 0;
    giveUpRow();
    d_step { assert(slots[s].text[1] == published[n + 1]); s = 0; n = 0; usable = false; won = false };
    goto next;
#endif
#ifdef GIVES_BACK_BESIDE_ITS_CLAIM
    if
    :: atomic {
        p = 0;
        do :: p < slotMark - 1 -> p++ :: break od;
        if :: slots[p].claim == 0 -> slots[p].claim = row + 1 :: else -> p = 0; goto releasing fi }
    :: goto releasing
    fi;
    STEP(slots[p].claim = 0); p = 0;
#endif

releasing: /* [P6] */
#ifdef ROW_GIVEN_UP_BEFORE_CLAIM
    locked[row] = false;
    d_step { mine.claim = 0; row = 0; s = 0; n = 0; usable = false; won = false };
    goto next;
#endif
    STEP(mine.claim = 0);
    d_step { s = 0; n = 0; usable = false; won = false };
#if TRANSIENT
    giveUpRow();
#endif
    goto next;

givingBack: /* Before it claims a slot to fill, a writer gives back a free slot's memory, but for the first page. */
    punches++;
#ifndef NO_STAMP_BEFORE_PUNCH
    beginFilling();
#endif
#ifdef PUNCH_BEFORE_RESERVED
    punch(); setReserved(false);
#else
    setReserved(false); punch();
#endif
    STEP(mine.claim = 0);
    goto claiming;

died:
    atomic { row = 0; s = 0; p = 0; m = 0; n = 0; usable = false; won = false; more = false };
    goto attaching;

detaching:
#if !TRANSIENT
    locked[row] = false;
#endif
    atomic { row = 0; text = 0; expected = 0; finished++ }
}

/* Reads a word of the borrowed text, which is, and stays, the text of that number. */
#define READ(word) STEP(assert(slots[s].text[word] == published[n]))

proctype Borrower(byte me) {
    byte row, borrow, p, n, s;
    bool same, more;
    LOADED_MARKS;

attaching: seekingRow:
    takeRow();

next:
    if :: d_step { borrow < BORROWS -> borrow++ } :: atomic { borrow == BORROWS -> goto detaching } fi;

    STEP(n = number; s = current); /* [B1] */
    if :: n == 0 -> goto next :: else fi;
#ifdef PIN_AFTER_RECHECK
    STEP(same = (number == n); n = number; s = current);
#endif
    takePin(s);
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
#ifdef PIN_MARK_RAISED_AFTER_RECHECK
    if :: p >= pinMark -> RAISE_PIN_MARK(p + 1) :: else fi;
#endif
#ifdef PIN_GIVEN_BACK_BEFORE_READING
    STEP(pins[p].owner = 0; pins[p].slot = 0);
    READ(0); READ(1);
#else
    READ(0); READ(1); /* [B3] */
    STEP(pins[p].owner = 0; pins[p].slot = 0); /* [B4] */
#endif
withoutPin: /* If all pins are taken, it copies as the optimistic reader does. */
    atomic { p = 0; n = 0; s = 0; same = false };
    goto next;

died:
    atomic { row = 0; p = 0; n = 0; s = 0; same = false; more = false };
    goto attaching;

detaching:
    atomic { locked[row] = false; row = 0; finished++ }
}

#if READERS > 0
proctype Reader(byte me) {
    byte row, read, p, n, s, before;
    bool same, more;
    LOADED_MARKS;

attaching: seekingRow:
    takeRow();
    takePin(NO_SLOT); /* [R1] At first on no slot. */

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
    atomic { row = 0; p = 0; n = 0; s = 0; before = 0; same = false; more = false };
    goto attaching;

withoutPin: /* If all pins are taken, it copies as the optimistic reader does. */
detaching:
    atomic { locked[row] = false; row = 0; p = 0; n = 0; s = 0; before = 0; finished++ }
}
#endif

/* [O] The optimistic reader writes nothing, so its death has no effect and is not modelled. A Reader without a pin keeps its
   copy, with the word that it copied, and returns it as long as that word is current. */
proctype OptimisticReader() {
    byte read, n, s, text[2], before;
    bool same;

next:
    if
    :: d_step { read < COPIES -> read++; before = number }
    :: atomic { read == COPIES -> goto done }
    fi;

looking:
    atomic {
#ifdef COPY_COMPARED_BY_SLOT
        same = (n != 0 && current == s);
#else
        same = (n != 0 && number == n && current == s);
#endif
#ifdef COPY_NEVER_RENEWED
        same = (n != 0);
#endif
        if :: !same -> n = number; s = current; text[0] = 0; text[1] = 0 :: else fi;
        assert(same || n == 0 || slots[s].stamp == n) /* a reader that is not overtaken can copy the current text */
    };
    if :: same -> same = false; goto reading :: else fi;
#ifndef NUMBER_ZERO_IS_READ
    if :: n == 0 -> before = 0; goto next :: else fi;
#endif
    if :: slots[s].stamp != n -> goto overtaken :: else fi;
    text[0] = slots[s].text[0];
    text[1] = slots[s].text[1];
#ifndef NO_SECOND_LOOK_AT_STAMP
    if :: slots[s].stamp != n -> goto overtaken :: else fi;
#endif
#ifdef COPY_KEPT_UNDER_A_LATER_WORD
    d_step { n = number; s = current };
#endif

reading:
    atomic {
        assert(text[0] == published[n] && text[1] == published[n]);
        assert(n >= before); /* the text that was current when the read began, or newer */
        before = 0
    };
    goto next;

overtaken:
    atomic { n = 0; s = 0; text[0] = 0; text[1] = 0 };
    goto looking;

done:
    atomic { n = 0; s = 0; text[0] = 0; text[1] = 0 }
}

/* Sweeps the rows of dead processes. When all others have finished and all rows have been swept, nothing may be left. */
proctype Sweeper() {
    byte row;
    bool more;
    LOADED_MARKS;

    do
    ::  atomic {
            rowMark > 0 ->
            row = 0;
            do :: row < rowMark - 1 -> row++ :: break od;
#ifndef SWEEP_OF_LIVING
            if :: locked[row] -> goto next :: else fi;
#ifndef SWEEP_WITHOUT_LOCK
            locked[row] = true
#endif
#endif
        };
#ifdef MARKS_LOADED_BEFORE_LOCK
        d_step { pinsSeen = pinMark; slotsSeen = slotMark };
#endif
        reclaim();
#if !defined(SWEEP_OF_LIVING) && !defined(SWEEP_WITHOUT_LOCK)
        locked[row] = false;
#endif
died: next:
        atomic { row = 0; more = false }
    ::  d_step {
            finished == PROCESSES ->
#ifdef MARKS_LOADED_BEFORE_LOCK
            pinsSeen = pinMark; slotsSeen = slotMark;
#endif
            row = 0;
            do :: row < rowMark -> clearOne(); if :: more :: else -> row++ fi :: else -> break od;
            row = 0; more = false;
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
        for (k : WRITERS + BORROWERS .. PROCESSES - 1) { run Reader(k) }
#endif
        if :: COPIES > 0 -> run OptimisticReader() :: else fi;
        run Sweeper();
        k = 0
    }
}
