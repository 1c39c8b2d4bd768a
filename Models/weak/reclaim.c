/* A process is killed. Others take back its pin or claim, and use the slot: Rows.swift reclaim, sweep, takeRow.
   DIES n: how far the process came (see `dead`). KERNEL 1: the lock on its row orders memory like a mutex. KERNEL 0: it excludes, but
   orders nothing. There is no data race, and each text is that of its number. In the end, nothing is left in the dead process's name.
   Its reads race with nothing, because no one has what it read; -DCOUNT_DEAD_READS counts them all the same. */
#include "protocol.h"
#ifndef DIES
#define DIES 4
#endif
#ifndef KERNEL
#define KERNEL 1
#endif
#ifndef SWEEPERS
#define SWEEPERS 1
#endif
#ifndef SUCCESSORS
#define SUCCESSORS 0    /* these take the dead process's row, and borrow */
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef SETS
#define SETS 2
#endif
#ifndef BORROWERS
#define BORROWERS 0
#endif
#define DEAD 1          /* the owner that the dead process's pin or claim names */
#define DROPPED (KERNEL ? memory_order_release : memory_order_relaxed)
#define TAKEN (KERNEL ? memory_order_acquire : memory_order_relaxed)

atomic_int rowMark = !MARKS;
atomic_int locked = 1; /* the kernel's lock on the dead process's row, which is taken in one step (F_OFD_SETLK) */
static int tryLock(void) {
    int none = 0;
    return atomic_compare_exchange_strong_explicit(&locked, &none, 1, TAKEN, memory_order_relaxed);
}
static void unlock(void) { atomic_store_explicit(&locked, 0, DROPPED); }

/* Rows.swift reclaim */
static void reclaim(int owner) {
    int mark = MARKS ? LOAD(&pinMark, RECLAIM_PIN_MARK) : PINS;
    for (int p = 0; p < mark; p++) {
        int word = LOAD(&pins[p], RECLAIM_PIN);
        if (OWNER(word) == owner) CAS(&pins[p], &word, 0, RECLAIM);
    }
    mark = MARKS ? LOAD(&slotMark, RECLAIM_SLOT_MARK) : SLOTS;
    for (int slot = 0; slot < mark; slot++) {
        int word = owner;
        if (MARKS && LOAD(&slots[slot].claim, RECLAIM_CLAIM) != owner) continue;
        CAS(&slots[slot].claim, &word, 0, RECLAIM);
    }
}

/* Borrow.swift borrow; `step` is how far, 9: to its end */
static void borrow(int thread, int owner, int step) {
    int pin, word;
    if (step == 1) {
        takePin(PIN(owner, SLOT(LOAD(&current, BORROW_CURRENT))));
        return;
    }
    word = pinCurrent(owner, &pin);
    if (pin < 0 || step == 2) return;
#ifndef COUNT_DEAD_READS
    if (step == 3) return;
#endif
    saw(thread, NUMBER(word), slots[SLOT(word)].text[0]);
    saw(thread, NUMBER(word), slots[SLOT(word)].text[1]);
    if (step == 3) return;
    STORE(&pins[pin], 0, PIN_END);
}

/* The process has 1 pinned, 2 looked again, 3 read; 4 claimed, 5 written half of its text, 6 filled the slot, 7 stamped, 8 published. */
static void *dead(void *argument) {
    int thread = (int)(long)argument;
    if (MARKS) RAISE(&rowMark, 1, ROW_MARK_RAISE); /* Rows.swift takeRow; its lock is held from the beginning */
    if (DIES < 4) {
        borrow(thread, DEAD, DIES);
    } else {
        int slot = claimSlot(DEAD);
        if (slot >= 0 && DIES == 5) {
            beginFilling(slot);
            slots[slot].text[0] = 90;
        }
        if (slot >= 0 && DIES >= 6) fill(slot, 90);
        if (slot >= 0 && DIES >= 7) {
            int word = currentInfo(thread), number = NUMBER(word) + 1;
            STORE(&slots[slot].time, number, STAMP_TIME);
            STORE(&slots[slot].stamp, number, STAMP_END);
            if (DIES == 8 && CAS(&current, &word, CURRENT(number, slot), PUBLISH)) published[number] = 90;
        }
    }
    unlock(); /* by the kernel */
    return 0;
}

/* Rows.swift sweep: a row at or above the mark has had no owner yet. */
static void *sweeper(void *argument) {
    if ((MARKS ? LOAD(&rowMark, ROW_MARK_LOAD) : 1) > 0 && tryLock()) {
        reclaim(DEAD);
        unlock();
    }
    return 0;
}

/* Rows.swift takeRow: takes the row, reclaims what is left in its name, and goes on in the same name. */
static void *successor(void *argument) {
    if (tryLock()) {
        reclaim(DEAD);
        borrow((int)(long)argument, DEAD, 9);
        unlock();
    }
    return 0;
}

static void *writer(void *argument) {
    int thread = (int)(long)argument;
    for (int i = 0; i < SETS; i++) set(thread, thread + 1, 10 * thread + i);
    return 0;
}

static void *borrower(void *argument) {
    borrow((int)(long)argument, (int)(long)argument + 1, 9);
    return 0;
}

int main(void) {
    enum { s = 1 + SWEEPERS, n = s + SUCCESSORS, w = n + WRITERS, all = w + BORROWERS };
    pthread_t threads[all];
    begin();
    for (long t = 0; t < all; t++)
        pthread_create(&threads[t], 0, t == 0 ? dead : t < s ? sweeper : t < n ? successor : t < w ? writer : borrower, (void *)t);
    for (int t = 0; t < all; t++) pthread_join(threads[t], 0);
    verify(all);
    sweeper(0); /* and whatever was swept before, nothing stays */
    for (int p = 0; p < PINS; p++) assert(OWNER(LOAD(&pins[p], relaxed)) != DEAD);
    for (int slot = 0; slot < SLOTS; slot++) assert(LOAD(&slots[slot].claim, relaxed) != DEAD);
    return 0;
}
