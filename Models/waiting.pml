/*
 * How publishers wake waiters: Wait.swift and the loop of ChangeNotifier.wait in Sources/SharedMemory.
 *
 * [W1] to [W4] are the steps of waiting. [P5] and [P6] are steps of publishing; publication.pml models the others.
 * A progress label marks the place where a waiter has received its next version.
 * A STEP is one access to shared memory, or one system call. Other processes run between any two steps, and a process may be
 * killed at each step. A process that is stopped for good simply takes no further step: it holds nothing that others need.
 * Macros in `#ifdef`s are mutants. Each breaks one thing, and Models/mutants checks that Spin finds the fault.
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
#define READERS 0      /* more waiters, which cannot announce that they wait */
#endif
#ifndef WAKES_ALWAYS
#define WAKES_ALWAYS 0 /* 1: publishers wake without an announcement, because readers may be waiting */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0     /* 1: no waiter sleeps longer than a second */
#endif
#ifndef CRASHES
#define CRASHES 1      /* in total */
#endif

#define SLEEPERS (WAITERS + READERS)

/* The file, and the kernel's queue. */
byte number, awaited, woken;
byte sleepsOn[SLEEPERS + 1]; /* the number on which it sleeps, + 1; 0 = awake. The last is for publishers, which never sleep */

/* Only the properties use these. */
byte crashes, finished;
hidden byte k;

#define DIE       atomic { crashes < CRASHES -> crashes++; sleepsOn[me] = 0; goto died }
#define STEP(...) if :: d_step { skip; __VA_ARGS__ } :: DIE fi

/* When the publisher of a number is done, no waiter sleeps on an earlier number, even if other publishers were killed or
   stopped, or are not done yet. No waiter will do so later either, because the kernel compares. So a waiter sleeps on a
   number that is not current only if the publisher of the current one was killed or stopped, and at most until the next
   publisher is done. */
inline assertWoken() {
    for (k : 0 .. SLEEPERS - 1) {
        assert(sleepsOn[k] == 0 || sleepsOn[k] > n || (k >= WAITERS && !WAKES_ALWAYS))
    }
    k = 0
}

/* The meaning of `woken`: waiters for the replacement of a lower number have been woken. */
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

/* No wake is needed if all waiters that announced themselves have been woken. */
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

/* The value may be too low, because a later publisher may have raised it meanwhile. It is never too high. */
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

/* Waits for one version after the other. */
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
    if /* [W2] The announced number is never lowered. */
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

    if /* [W4] FUTEX_WAIT: to a process that wakes, comparing and going to sleep are one step. */
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

died: /* Another waiter takes its place, and has no version yet. */
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
