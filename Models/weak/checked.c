/* The versions that a process has found to be UTF-8: Segment+Reading.swift AttachmentReference.check. Two threads borrow and check.
   A thread that skips the check has text that some thread of its process has checked: that of the same number, byte by byte. */
#include "protocol.h"
#ifndef SETS
#define SETS 2
#endif
#ifndef CHECKERS
#define CHECKERS 2
#endif
#ifndef BORROWS
#define BORROWS 1
#endif

atomic_int checkedNumber; /* Attachment.swift */
/* The text that each thread found valid, and the text that it took for valid without looking. */
struct { int count, number[4], text[4]; } didCheck[8], skipped[8];

/* check, validate: it only matters which bytes are looked at. Text below 0 is invalid. */
static void check(int thread, int number, int slot) {
    if (LOAD(&checkedNumber, CHECKED_LOAD) == number) {
        skipped[thread].number[skipped[thread].count] = number;
        skipped[thread].text[skipped[thread].count++] = slots[slot].text[0]; /* which becomes a String */
        return;
    }
#ifdef STORES_FIRST
    STORE(&checkedNumber, number, CHECKED_STORE);
#endif
    int text = slots[slot].text[0];
    if (text <= 0) return; /* thrown */
    didCheck[thread].number[didCheck[thread].count] = number;
    didCheck[thread].text[didCheck[thread].count++] = text;
#ifndef STORES_FIRST
    STORE(&checkedNumber, number, CHECKED_STORE);
#endif
}

/* Segment+Reading.swift borrowChecked, Borrow.swift borrow */
static void *checker(void *argument) {
    int thread = (int)(long)argument;
    for (int i = 0; i < BORROWS; i++) {
        int pin, word = pinCurrent(1, &pin);
        if (pin < 0) return 0;
        check(thread, NUMBER(word), SLOT(word));
        STORE(&pins[pin], 0, PIN_END);
    }
    return 0;
}

static void *writer(void *argument) {
    for (int i = 0; i < SETS; i++) set((int)(long)argument, 2, i == 0 ? -20 : 20 + i); /* the first is not UTF-8 */
    return 0;
}

int main(void) {
    pthread_t threads[CHECKERS + 1];
    begin();
    for (long t = 0; t < CHECKERS + 1; t++)
        pthread_create(&threads[t], 0, t < CHECKERS ? checker : writer, (void *)t);
    for (int t = 0; t < CHECKERS + 1; t++) pthread_join(threads[t], 0);
    for (int t = 0; t < CHECKERS; t++)
        for (int i = 0; i < skipped[t].count; i++) {
            int found = 0;
            for (int o = 0; o < CHECKERS; o++)
                for (int j = 0; j < didCheck[o].count; j++)
                    if (didCheck[o].number[j] == skipped[t].number[i] && didCheck[o].text[j] == skipped[t].text[i]) found = 1;
            assert(found);
        }
    return 0;
}
