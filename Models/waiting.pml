/*
 * How who waits for a change is woken: Sources/SharedMemory/Publication/Wait.swift, and the loop of Lookout.wait.
 *
 * [W1] to [W4] are the steps of waiting, [P5] and [P6] those of publishing: the rest of it is the matter of publication.pml.
 * Progress labels stand where a waiter has got its next version.
 * A STEP touches shared memory once, or is one system call. Between any two of them others go on, and at each the process
 * may be killed. Who is stopped for good is one who takes no step more: it holds nothing that others need.
 * The macros of `#ifdef`s are mutants: each breaks one thing, and Models/mutants demands that it is found out.
 */

#ifndef PUBLISHERS
#define PUBLISHERS 2
#endif
#ifndef SETS
#define SETS 2         /* by the first publisher */
#endif
#ifndef OTHER_SETS
#define OTHER_SETS 1   /* by each of the others */
#endif
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef READERS
#define READERS 0      /* more waiters, who can not say that they wait */
#endif
#ifndef WAKES_ALWAYS
#define WAKES_ALWAYS 0 /* 1: publishers wake without being asked to, as readers may be waiting */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0     /* 1: nobody sleeps longer than a second */
#endif
#ifndef CRASHES
#define CRASHES 1      /* in all */
#endif

#define SLEEPERS (WAITERS + READERS)

/* The file, and the kernel's queue. */
byte number, awaited, woken;
byte sleepsOn[SLEEPERS + 1]; /* while which number is current, + 1; 0 = awake. The last one is the publishers', who never sleep */

/* Known to nobody; the properties speak of these. */
byte crashes, finished;
hidden byte k;

#define DIE       atomic { crashes < CRASHES -> crashes++; sleepsOn[me] = 0; goto died }
#define STEP(...) if :: d_step { skip; __VA_ARGS__ } :: DIE fi

/* When the publisher of a number is through, nobody sleeps on one before it, be others killed, stopped or still on their
   way. Nor will anybody, as the kernel compares. So nobody sleeps on what is not current, unless the publisher of what is
   was killed or stopped, and for no longer than until the next one is through. */
inline assertWoken() {
    for (k : 0 .. SLEEPERS - 1) {
        assert(sleepsOn[k] == 0 || sleepsOn[k] > n || (k >= WAITERS && !WAKES_ALWAYS))
    }
    k = 0
}

/* What `woken` says: who waited for a number below it has been woken. */
inline assertWord() {
    for (k : 0 .. WAITERS - 1) { assert(sleepsOn[k] == 0 || sleepsOn[k] > woken) }
    k = 0
}

/* FUTEX_WAKE */
inline wake() {
    for (k : 0 .. SLEEPERS - 1) {
#ifndef NO_WAKE
        sleepsOn[k] = 0
#else
        skip
#endif
    }
    k = 0
}

inline exchange() { STEP(number++; n = number) }

#ifdef WOKEN_ONLY_TWO_BEHIND
#define IS_AWAITED awaited > w + 1 || WAKES_ALWAYS
#else
#ifdef READERS_NOT_WOKEN
#define IS_AWAITED awaited > w
#else
#define IS_AWAITED awaited > w || WAKES_ALWAYS
#endif
#endif

/* Nobody needs to be woken if all who said that they wait have been. */
inline lookWhoWaits() {
    STEP(w = woken);
    STEP(isAwaited = (IS_AWAITED); if :: !isAwaited -> w = 0 :: else fi)
}

#ifdef WOKEN_IS_ONE_MORE
#define TOLD (n + 1)
#else
#ifdef WOKEN_IS_WHAT_IS_CURRENT
#define TOLD number
#else
#define TOLD n
#endif
#endif

/* It may be too little, as a later one may have said more meanwhile; never too much. */
inline sayWhoWasWoken() {
#if defined(FLAG_CLEARED_BEFORE_WAKING) || defined(FLAG_CLEARED_AFTER_WAKING)
    STEP(awaited = 0)
#else
    if :: w < n -> STEP(if :: woken == w -> woken = TOLD; assertWord() :: else fi) :: else fi
#endif
}

proctype Publisher(byte me; byte sets) {
    byte n, w;
    bool isAwaited;

next:
    if :: d_step { sets > 0 -> sets-- } :: atomic { sets == 0 -> goto done } fi;

#ifdef WAKES_BEFORE_EXCHANGE
    lookWhoWaits();
    if :: isAwaited -> STEP(wake()) :: else fi;
    exchange();
    STEP(assertWoken());
    goto through;
#endif
#ifdef LOOKS_BEFORE_EXCHANGE
    lookWhoWaits(); exchange();
#else
    exchange(); lookWhoWaits(); /* [P5], [P6] */
#endif
    if
    :: !isAwaited -> d_step { skip; assertWoken() }
    :: isAwaited ->
#if defined(WOKEN_BEFORE_WAKING) || defined(FLAG_CLEARED_BEFORE_WAKING)
        sayWhoWasWoken();
        STEP(wake(); assertWoken())
#else
        STEP(wake(); assertWoken());
        sayWhoWasWoken()
#endif
    fi;

died: through:
    atomic { n = 0; w = 0; isAwaited = false; goto next };

done:
    finished++
}

#ifdef ANNOUNCED_ONE_TOO_LOW
#define ANNOUNCEMENT version
#else
#define ANNOUNCEMENT (version + 1)
#endif
#ifdef ANNOUNCED_WITHOUT_EXCHANGE
#define IS_UNCHANGED true
#else
#define IS_UNCHANGED (awaited == a)
#endif

#define IS_OVER (finished == PUBLISHERS && version == number)

/* Waits for each next version. */
proctype Waiter(byte me) {
    byte version, a;

waiting: /* [W1] */
    if
    :: d_step { number != version -> assert(number > version); version = number };
progress:
        skip;
        goto waiting
    :: atomic { number == version -> if :: me >= WAITERS -> goto looking :: else fi }
    :: DIE
    fi;

#ifndef NOT_ANNOUNCED
    if /* [W2] What is announced is never lowered. */
    :: atomic { awaited >= ANNOUNCEMENT -> goto looking }
    :: atomic { awaited < ANNOUNCEMENT -> a = awaited }
    :: DIE
    fi;
announcing:
    if
    :: atomic { IS_UNCHANGED -> awaited = ANNOUNCEMENT; a = 0; goto looking }
#ifdef ANNOUNCED_ONLY_ONCE
    :: atomic { !IS_UNCHANGED -> a = 0; goto looking }
#else
    :: atomic { !IS_UNCHANGED && awaited >= ANNOUNCEMENT -> a = 0; goto looking }
    :: atomic { !IS_UNCHANGED && awaited < ANNOUNCEMENT -> a = awaited; goto announcing }
#endif
    :: DIE
    fi;
#endif

looking:
#ifndef NO_LOOK_AFTER_ANNOUNCING
    if /* [W3] */
    :: atomic { number != version -> goto waiting }
    :: atomic { number == version -> skip }
    :: DIE
    fi;
#endif

    if /* [W4] FUTEX_WAIT: comparing and going to sleep are one for who wakes. */
#ifdef NO_COMPARE_BY_THE_KERNEL
    :: d_step { sleepsOn[me] == 0 -> sleepsOn[me] = version + 1 }
#else
    :: atomic { number != version -> goto waiting }
    :: d_step { number == version -> sleepsOn[me] = version + 1 }
#endif
    :: DIE
    fi;

    if
    :: atomic { sleepsOn[me] == 0 -> goto waiting }
#ifndef SLEEPS_FOR_EVER
    :: atomic { TIMEOUTS && sleepsOn[me] != 0 && !IS_OVER -> sleepsOn[me] = 0; goto waiting }
#endif
    :: atomic { sleepsOn[me] != 0 && IS_OVER -> sleepsOn[me] = 0; goto done }
    :: DIE
    fi;

died: /* Another one comes, and knows of no version. */
    atomic { version = 0; a = 0; goto waiting };

done:
    skip
}

init {
    atomic {
        for (k : 1 .. PUBLISHERS) { run Publisher(SLEEPERS, (k == 1 -> SETS : OTHER_SETS)) }
        for (k : 0 .. SLEEPERS - 1) { run Waiter(k) }
        k = 0
    }
}
