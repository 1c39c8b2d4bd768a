/* Publishing, and giving memory back, against a reader that copies without a pin: OptimisticCopy.swift, Claim.swift giveMemoryBack.
   An accepted copy is the whole text of its number, and so are its time and byte count. A Reader without a pin keeps its copy while the
   number is current (KEEPS); it never goes back.
   The words are relaxed atomics on both sides here. In Swift the writer's are plain, which C11 calls a race whatever the stamps say. */
#define WORD atomic_int
#include "protocol.h"
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef SETS
#define SETS 3          /* by the first writer */
#endif
#ifndef OTHER_SETS
#define OTHER_SETS 1    /* by each of the others */
#endif
#ifndef PUNCHES
#define PUNCHES 0       /* 1: after its sets, the first writer punches all free slots, and then sets once more */
#endif
#ifndef COPIES
#define COPIES 1
#endif
#ifndef KEEPS
#define KEEPS 0         /* 1: the reader is a Reader that found no pin */
#endif
atomic_int reserved[SLOTS];

#define NONE (-1)
struct kept { int word, byteCount, time, text[2]; };

/* OptimisticCopy.swift copy, SegmentView.swift loadWords; one try: NONE if the slot holds another publication by now */
static struct kept copy(void) {
    int word = LOAD(&current, COPY_CURRENT), number = NUMBER(word), slot = SLOT(word);
    struct kept none = {NONE, 0, 0, {0, 0}}, kept = {word, 0, 0, {0, 0}};
    if (LOAD(&slots[slot].stamp, COPY_STAMP) != number) return none;
    kept.byteCount = LOAD(&slots[slot].byteCount, COPY_COUNT);
    kept.time = LOAD(&slots[slot].time, COPY_TIME);
    kept.text[0] = LOAD(&slots[slot].text[0], COPY_WORD);
    kept.text[1] = LOAD(&slots[slot].text[1], COPY_WORD);
    FENCE(COPY_FENCE);
    return LOAD(&slots[slot].stamp, COPY_AGAIN) == number ? kept : none;
}

/* Claim.swift giveMemoryBack; the bytes behind the first page are zeros then */
static void giveMemoryBack(int slot) {
#ifndef NO_STAMP_BEFORE_PUNCH
    beginFilling(slot);
#endif
    STORE(&reserved[slot], 1, PUNCH_MARK);
    STORE(&slots[slot].text[1], 0, relaxed); /* fallocate(2) */
}

/* protocol.h fill, with relaxed stores of the words */
static void fillWords(int slot, int text) {
    beginFilling(slot);
    STORE(&slots[slot].text[0], text, relaxed);
    STORE(&slots[slot].text[1], text, relaxed);
    STORE(&slots[slot].byteCount, text, FILL_COUNT);
}

static void setWords(int thread, int owner, int text) {
    int slot = claimSlot(owner);
    if (slot < 0) return;
    fillWords(slot, text);
    makeCurrent(thread, slot, text);
}

static void *writer(void *argument) {
    int row = (int)(long)argument, sets = row == 0 ? SETS : OTHER_SETS;
    for (int i = 0; i < sets; i++) setWords(row, row + 1, 10 * (row + 1) + i);
    if (row == 0 && PUNCHES) {
        for (int slot = 0; slot < SLOTS; slot++)
            if (attempt(slot, row + 1)) {
                giveMemoryBack(slot);
                STORE(&slots[slot].claim, 0, CLAIM_END);
            }
        setWords(row, row + 1, 19);
    }
    return 0;
}

static void *copier(void *argument) {
    int thread = (int)(long)argument, last = 0;
    struct kept kept = {NONE, 0, 0, {0, 0}};
    for (int i = 0; i < COPIES; i++) {
        if (!KEEPS || LOAD(&current, READ_FAST) != kept.word) kept = copy();
        if (kept.word == NONE) continue;
        int number = NUMBER(kept.word);
        assert(number >= last);
        last = number;
        assert(kept.time == number);
        saw(thread, number, kept.byteCount);
        saw(thread, number, kept.text[0]);
        saw(thread, number, kept.text[1]);
    }
    return 0;
}

int main(void) {
    pthread_t threads[WRITERS + 1];
    begin();
    for (long row = 0; row < WRITERS + 1; row++)
        pthread_create(&threads[row], 0, row < WRITERS ? writer : copier, (void *)row);
    for (int row = 0; row < WRITERS + 1; row++) pthread_join(threads[row], 0);
    verify(WRITERS + 1);
    return 0;
}
