/* Waiting: Wait.swift. When all publishers are done, no waiter sleeps on a number before the last one.
   FUTEX 1: the kernel compares and queues under the bucket's lock. FUTEX 2: as Linux does, a wake also leaves the lock alone if it counts
   no waiters (there is a counter, and a full barrier on either side). */
#include "protocol.h"
#ifndef PUBLISHERS
#define PUBLISHERS 2
#endif
#ifndef SETS
#define SETS 1          /* by each publisher */
#endif
#ifndef WAITERS
#define WAITERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef FUTEX
#define FUTEX 1
#endif

atomic_int awaited, woken; /* Layout/Header.swift StateLine */
atomic_int claims[PUBLISHERS];

pthread_mutex_t bucket;
atomic_int waiters;
int asleepOn[WAITERS]; /* a number, or 0 */

static int futexWait(int waiter, int word) {
    if (FUTEX == 2) {
        atomic_fetch_add_explicit(&waiters, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
    }
    pthread_mutex_lock(&bucket);
    int sleeps = NUMBER(LOAD(&current, relaxed)) == NUMBER(word); /* the low half of the word, of which all bits are the number's */
    if (sleeps) asleepOn[waiter] = NUMBER(word);
    else if (FUTEX == 2) atomic_fetch_sub_explicit(&waiters, 1, memory_order_relaxed);
    pthread_mutex_unlock(&bucket);
    return sleeps;
}

static void futexWake(void) {
    if (FUTEX == 2) {
        atomic_thread_fence(memory_order_seq_cst);
        if (LOAD(&waiters, relaxed) == 0) return;
    }
    pthread_mutex_lock(&bucket);
    for (int w = 0; w < WAITERS; w++)
        if (asleepOn[w]) {
            asleepOn[w] = 0;
            if (FUTEX == 2) atomic_fetch_sub_explicit(&waiters, 1, memory_order_relaxed);
        }
    pthread_mutex_unlock(&bucket);
}

/* Wait.swift announce */
static void announce(int number) {
    int known = LOAD(&awaited, AWAITED_LOAD);
    while (known <= number)
        if (CAS(&awaited, &known, number + 1, AWAITED_CAS)) return;
}

/* Wait.swift sleep; the kernel compares once more */
static int sleepWhile(int waiter, int word) {
#ifndef NOT_ANNOUNCED
    announce(NUMBER(word));
#endif
#ifndef NO_LOOK_AFTER_ANNOUNCING
    if (LOAD(&current, WAIT_CURRENT) != word) return 0;
#endif
    return futexWait(waiter, word);
}

/* Wait.swift wakeWaiters, wakeAll */
static void wakeWaiters(int number) {
    int known = LOAD(&woken, WOKEN_LOAD);
    if (LOAD(&awaited, AWAITED_LOOK) <= known) return;
    futexWake();
    if (known < number) CAS(&woken, &known, number, WOKEN_CAS);
}

static void *publisher(void *argument) {
    int row = (int)(long)argument;
    for (int i = 0; i < SETS; i++) {
        int word = LOAD(&current, INFO_AGAIN);
        while (!CAS(&current, &word, CURRENT(NUMBER(word) + 1, 0), PUBLISH));
        STORE(&claims[row], 0, CLAIM_END);
        wakeWaiters(NUMBER(word) + 1);
    }
    return 0;
}

static void *waiter(void *argument) {
    int row = (int)(long)argument;
    for (int i = 0; i < ROUNDS; i++)
        if (sleepWhile(row - PUBLISHERS, LOAD(&current, seq_cst))) break;
    return 0;
}

int main(void) {
    pthread_t threads[PUBLISHERS + WAITERS];
    STORE(&current, CURRENT(1, 0), relaxed);
    for (long row = 0; row < PUBLISHERS + WAITERS; row++)
        pthread_create(&threads[row], 0, row < PUBLISHERS ? publisher : waiter, (void *)row);
    for (int row = 0; row < PUBLISHERS + WAITERS; row++) pthread_join(threads[row], 0);
    for (int w = 0; w < WAITERS; w++)
        assert(asleepOn[w] == 0 || asleepOn[w] == NUMBER(LOAD(&current, relaxed)));
    return 0;
}
