/* Publishing against a Reader, which keeps its pin on the text that it read last: Reader.swift.
   There is no data race on the bytes. That text stays the text of its number until the next read or unpin. Numbers do not go back. */
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
#ifndef READERS
#define READERS 1
#endif
#ifndef READS
#define READS 2
#endif
#ifndef UNPINS
#define UNPINS 0        /* 1: the first Reader unpins before its last read */
#endif

struct reader { int thread, owner, pin, pinned, last; };
#define NONE (-1)

/* Reader.swift pinCurrent */
static void moveToCurrent(struct reader *reader) {
    int word = LOAD(&current, READ_CURRENT);
    for (;;) {
        STORE(&pins[reader->pin], PIN(reader->owner, SLOT(word)), READ_PIN);
#ifdef READ_EXTRA_FENCE
        FENCE(READ_EXTRA_FENCE);
#endif
        int latest = LOAD(&current, READ_AGAIN);
        if (latest == word) break;
        word = latest;
    }
    reader->pinned = word;
}

/* Reader.swift withBytes, isCurrent */
static void read(struct reader *reader) {
    if (LOAD(&current, READ_FAST) != reader->pinned) moveToCurrent(reader);
    int number = NUMBER(reader->pinned), slot = SLOT(reader->pinned);
    assert(number >= reader->last);
    reader->last = number;
    saw(reader->thread, number, LOAD(&slots[slot].byteCount, TEXT_COUNT));
    assert(LOAD(&slots[slot].time, IDENTIFY) == number);
    saw(reader->thread, number, slots[slot].text[0]);
    saw(reader->thread, number, slots[slot].text[1]);
}

static void *writer(void *argument) {
    int row = (int)(long)argument, sets = row == 0 ? SETS : OTHER_SETS;
    for (int i = 0; i < sets; i++) set(row, row + 1, 10 * (row + 1) + i);
    return 0;
}

static void *reader(void *argument) {
    int row = (int)(long)argument;
    struct reader reader = {row, row + 1, 0, NONE, 0};
    reader.pin = takePin(reader.owner * 16); /* Reader.swift ownPin; without a pin, it keeps copies: see copy.c */
    if (reader.pin < 0) return 0;
    for (int i = 0; i < READS; i++) {
        if (UNPINS && row == WRITERS && i == READS - 1) {
            reader.pinned = NONE;
            STORE(&pins[reader.pin], reader.owner * 16, UNPIN); /* Reader.swift unpin */
        }
        read(&reader);
    }
    STORE(&pins[reader.pin], 0, CLOSE); /* Reader.swift deinit */
    return 0;
}

int main(void) {
    pthread_t threads[WRITERS + READERS];
    begin();
    for (long row = 0; row < WRITERS + READERS; row++)
        pthread_create(&threads[row], 0, row < WRITERS ? writer : reader, (void *)row);
    for (int row = 0; row < WRITERS + READERS; row++) pthread_join(threads[row], 0);
    verify(WRITERS + READERS);
    for (int p = 0; p < PINS; p++) assert(LOAD(&pins[p], relaxed) == 0);
    return 0;
}
