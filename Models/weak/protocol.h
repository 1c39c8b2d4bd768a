/* The header, the slots and the steps of Sources/SharedMemory: one atomic operation here for each one there.
   Text is two words. A version is known by the id of its text (1, 2, ...), which is also its byte count; its time is its number. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#ifndef ORDERS_H
#include "orders.h"
#endif
#ifndef PINS
#define PINS 1
#endif
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef MARKS
#define MARKS 0         /* 0: every pin and slot has been in use before. 1: the pins' mark begins at 0, the slots' mark at RING */
#endif
#ifndef RING
#define RING (MARKS ? 1 : SLOTS)    /* the slots that a writer tries first */
#endif
#ifndef STEP
#define STEP 1          /* by how much a mark is raised */
#endif
#ifndef WORD
#define WORD int        /* -DWORD=atomic_int where a reader without a pin may read what is being written */
#endif

#define ORDER_(o) memory_order_##o
#define ORDER(o) ORDER_(o)
#define FAIL_relaxed memory_order_relaxed
#define FAIL_acquire memory_order_acquire
#define FAIL_release memory_order_relaxed
#define FAIL_acq_rel memory_order_acquire
#define FAIL_seq_cst memory_order_seq_cst
#define FAIL_(o) FAIL_##o
#define FAIL(o) FAIL_(o)
#define FENCE_none
#define FENCE_acquire atomic_thread_fence(memory_order_acquire)
#define FENCE_release atomic_thread_fence(memory_order_release)
#define FENCE_seq_cst atomic_thread_fence(memory_order_seq_cst)
#define FENCE_(o) FENCE_##o
#define FENCE(o) FENCE_(o)
#define LOAD(p, o) atomic_load_explicit(p, ORDER(o))
#define STORE(p, v, o) atomic_store_explicit(p, v, ORDER(o))
#define CAS(p, e, d, o) atomic_compare_exchange_strong_explicit(p, e, d, ORDER(o), FAIL(o))

/* Layout/Header.swift PublicationWord: the slot above, the number below. */
#define CURRENT(number, slot) ((slot) << 16 | (number))
#define NUMBER(word) ((word) & 0xffff)
#define SLOT(word) ((word) >> 16)
/* PinLine: the owner above; slot + 1 below, or 0 while the owner keeps the pin without reading. */
#define PIN(owner, slot) ((owner) * 16 + (slot) + 1)
#define OWNER(pin) ((pin) / 16)
#define BEING_FILLED 9999

/* Layout/Header.swift */
atomic_int current;
atomic_int pins[PINS];
struct { atomic_int claim, stamp, byteCount, time; WORD text[2]; } slots[SLOTS];
atomic_int pinMark, slotMark = RING;

/* Not in the file: the text that each number was published with, and the text that each thread found for each number. */
int published[12];
struct { int count, number[12], text[12]; } seen[6];
static void saw(int thread, int number, int text) {
    seen[thread].number[seen[thread].count] = number;
    seen[thread].text[seen[thread].count++] = text;
}
static void verify(int threads) {
    for (int t = 0; t < threads; t++)
        for (int i = 0; i < seen[t].count; i++) assert(published[seen[t].number[i]] == seen[t].text[i]);
}

/* A segment as it is after its first set: number 1 is text 1, in slot 0. (There is less to explore than from the empty text on.) */
static void begin(void) {
    slots[0].text[0] = slots[0].text[1] = 1;
    STORE(&slots[0].byteCount, 1, relaxed);
    STORE(&slots[0].time, 1, relaxed);
    STORE(&slots[0].stamp, 1, relaxed);
    STORE(&current, CURRENT(1, 0), relaxed);
    published[1] = 1;
}

/* SegmentView.swift raiseMark */
#define RAISE(mark, count, order)                                   \
    do {                                                            \
        int known = LOAD(mark, RAISE_LOOK);                         \
        while (known < (count) && !RAISE_ONCE(mark, &known, count, order)); \
    } while (0)
#ifdef RAISED_BY_STORE
#define RAISE_ONCE(mark, known, count, order) (STORE(mark, count, order), 1)
#else
#define RAISE_ONCE(mark, known, count, order) CAS(mark, known, count, order)
#endif

/* Rows.swift grow: returns 0 if the table has reached its size. */
static int growPins(void) {
    int mark = LOAD(&pinMark, GROW_MARK), next = mark + STEP < PINS ? mark + STEP : PINS;
    if (mark >= next) return 0;
    RAISE(&pinMark, next, PIN_MARK_RAISE);
    return 1;
}
static int growSlots(void) {
    int mark = LOAD(&slotMark, GROW_MARK), next = mark + STEP < SLOTS ? mark + STEP : SLOTS;
    if (mark >= next) return 0;
    RAISE(&slotMark, next, SLOT_MARK_RAISE);
    return 1;
}

/* Borrow.swift takePin, takePinElsewhere: the pin's index; -1 if all pins are taken. */
static int takePin(int word) {
    for (int p = 0; MARKS || p < PINS; p++) {
        int none = 0;
#if defined PIN_BEFORE_MARK || defined RAISED_AFTER_LOOK
        if (p == PINS) return -1;
#else
        if (MARKS && p == LOAD(&pinMark, PIN_MARK_LOAD) && !growPins()) return -1;
#endif
        if (CAS(&pins[p], &none, word, PIN_CAS)) {
#ifdef PIN_BEFORE_MARK
            if (p >= LOAD(&pinMark, PIN_MARK_LOAD)) growPins();
#endif
            return p;
        }
    }
    return -1;
}

/* Claim.swift isPinned: only the pins below the mark have ever been in use. */
static int isPinned(int slot, int mark) {
    for (int p = 0; p < mark; p++)
        if (LOAD(&pins[p], LOOK_PIN) % 16 == slot + 1) return 1;
    return 0;
}
static int lookAtMark(void) { return MARKS ? LOAD(&pinMark, LOOK_MARK) : PINS; }

/* Claim.swift Claim.attempt; its deinit ends the claim. */
static int attempt(int slot, int owner) {
    if (LOAD(&slots[slot].claim, CLAIM_LOOK) != 0) return 0;
#ifdef MARK_BEFORE_CLAIM
    int early = lookAtMark();
#endif
    int none = 0;
    if (!CAS(&slots[slot].claim, &none, owner, CLAIM_CAS)) return 0;
#ifdef MARK_BEFORE_CURRENT
    int early = lookAtMark();
#endif
#if defined MARK_BEFORE_CLAIM || defined MARK_BEFORE_CURRENT
    if (SLOT(LOAD(&current, LOOK_CURRENT)) != slot && !isPinned(slot, early)) return 1;
#else
    if (SLOT(LOAD(&current, LOOK_CURRENT)) != slot && !isPinned(slot, lookAtMark())) return 1;
#endif
    STORE(&slots[slot].claim, 0, CLAIM_END);
    return 0;
}

/* Publish.swift claimSlot(for:), one pass: the ring, then the slots below the mark, which is raised where they end; -1 if none is free. */
static int claimSlot(int owner) {
    int start = SLOT(LOAD(&current, START));
    for (int offset = 1; offset <= RING; offset++)
        if (attempt((start + offset) % RING, owner)) return (start + offset) % RING;
    for (int slot = RING; slot < SLOTS; slot++) {
        if (MARKS && slot == LOAD(&slotMark, SLOT_MARK_LOAD) && !growSlots()) return -1;
        if (attempt(slot, owner)) return slot;
    }
    return -1;
}

/* Claim.swift beginFilling */
static void beginFilling(int slot) {
    STORE(&slots[slot].stamp, BEING_FILLED, FILL_STAMP);
    FENCE(FILL_FENCE);
}

/* Claim.swift fill(with:) */
static void fill(int slot, int text) {
    beginFilling(slot);
    slots[slot].text[0] = text;
    slots[slot].text[1] = text;
    STORE(&slots[slot].byteCount, text, FILL_COUNT);
}

/* Publish.swift currentInfo: number, time and byte count belong together. */
static int currentInfo(int thread) {
    int word = LOAD(&current, INFO_CURRENT);
    for (;;) {
        int time = LOAD(&slots[SLOT(word)].time, INFO_TIME);
        int byteCount = LOAD(&slots[SLOT(word)].byteCount, INFO_COUNT);
        int latest = LOAD(&current, INFO_AGAIN);
        if (latest == word) {
            assert(time == NUMBER(word));
            saw(thread, NUMBER(word), byteCount);
            return word;
        }
        word = latest;
    }
}

/* Publish.swift makeCurrent, Claim.swift stamp; then the claim's deinit. */
static void makeCurrent(int thread, int slot, int text) {
    for (;;) {
        int word = currentInfo(thread), number = NUMBER(word) + 1;
        STORE(&slots[slot].time, number, STAMP_TIME);
        STORE(&slots[slot].stamp, number, STAMP_END);
        if (!CAS(&current, &word, CURRENT(number, slot), PUBLISH)) continue;
        published[number] = text;
        break;
    }
    STORE(&slots[slot].claim, 0, CLAIM_END);
}

/* Publish.swift publish */
static void set(int thread, int owner, int text) {
    int slot = claimSlot(owner);
    if (slot < 0) return;
    fill(slot, text);
    makeCurrent(thread, slot, text);
}

/* Borrow.swift borrow, up to its second look: the current word, under pin `*pin`. Without a pin, `*pin` is -1: see copy.c. */
static int pinCurrent(int owner, int *pin) {
    int word = LOAD(&current, BORROW_CURRENT);
    *pin = takePin(PIN(owner, SLOT(word)));
    if (*pin < 0) return word;
    for (;;) {
        int latest = LOAD(&current, BORROW_AGAIN);
        if (latest == word) break;
        word = latest;
        STORE(&pins[*pin], PIN(owner, SLOT(word)), PIN_AGAIN);
    }
#ifdef RAISED_AFTER_LOOK
    if (*pin >= LOAD(&pinMark, PIN_MARK_LOAD)) growPins();
#endif
    return word;
}
