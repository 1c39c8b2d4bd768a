/* Publishing against borrowing: Publish.swift, Claim.swift, Borrow.swift.
   There is no data race on the bytes. Borrowed text is the text of its number, and so are its time and byte count.
   With MARKS, every pin that was ever taken is below the mark in the end. */
#include "protocol.h"
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef SETS
#define SETS 1          /* by the first writer */
#endif
#ifndef OTHER_SETS
#define OTHER_SETS 1    /* by each of the others */
#endif
#ifndef ABANDONS
#define ABANDONS 0      /* by the second writer, before its other sets: sets that end after filling, by a condition or because of NUL */
#endif
#ifndef BORROWERS
#define BORROWERS 1
#endif
#ifndef BORROWS
#define BORROWS 1
#endif

int pinCount[WRITERS + BORROWERS]; /* one more than the highest pin that a thread took */

/* Borrow.swift borrow, BorrowToken.end */
static void borrow(int thread, int owner) {
    int pin, word = pinCurrent(owner, &pin);
    if (pin < 0) return;
    if (pinCount[thread] < pin + 1) pinCount[thread] = pin + 1;
    int number = NUMBER(word), slot = SLOT(word);
    saw(thread, number, LOAD(&slots[slot].byteCount, TEXT_COUNT));
    assert(LOAD(&slots[slot].time, IDENTIFY) == number);
    saw(thread, number, slots[slot].text[0]);
    saw(thread, number, slots[slot].text[1]);
    saw(thread, number, slots[slot].text[0]); /* which has not changed */
    STORE(&pins[pin], 0, PIN_END);
}

static void *writer(void *argument) {
    int row = (int)(long)argument, sets = row == 0 ? SETS : OTHER_SETS;
    for (int i = 0; i < ABANDONS && row == 1; i++) {
        int slot = claimSlot(row + 1);
        if (slot < 0) continue;
        fill(slot, 80 + i);
        STORE(&slots[slot].claim, 0, CLAIM_END); /* the claim's deinit, as Claim.fill or Publish.makeCurrent throws */
    }
    for (int i = 0; i < sets; i++) set(row, row + 1, 10 * (row + 1) + i);
    return 0;
}

static void *borrower(void *argument) {
    int row = (int)(long)argument;
    for (int i = 0; i < BORROWS; i++) borrow(row, row + 1);
    return 0;
}

int main(void) {
    pthread_t threads[WRITERS + BORROWERS];
    begin();
    for (long row = 0; row < WRITERS + BORROWERS; row++)
        pthread_create(&threads[row], 0, row < WRITERS ? writer : borrower, (void *)row);
    for (int row = 0; row < WRITERS + BORROWERS; row++) pthread_join(threads[row], 0);
    verify(WRITERS + BORROWERS);
    for (int row = 0; MARKS && row < WRITERS + BORROWERS; row++) assert(LOAD(&pinMark, relaxed) >= pinCount[row]);
    for (int p = 0; p < PINS; p++) assert(LOAD(&pins[p], relaxed) == 0);
    for (int s = 0; s < SLOTS; s++) assert(LOAD(&slots[s].claim, relaxed) == 0);
    return 0;
}
