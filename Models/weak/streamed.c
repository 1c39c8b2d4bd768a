/* Measures on the processor at hand (x86) whether a reader that sees a flag also sees all stores past the caches before it. This is a
   run, not a check. It prints how many rounds were torn.

   cc -O2 -pthread streamed.c && for kind in 0 1 2 3; do ./a.out $kind; done     (6 seconds each, with two threads)

   0: no fence. 1: the locked instruction that clang makes of a sequentially consistent fence, as in Sources/CLinux/stream.c. 2: sfence.
   3: plain stores, and no fence. Every other line is left half written, so that it stays in a write-combining buffer. */
#include <emmintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { lines = 8, seconds = 6 };
static struct { _Alignas(64) volatile uint64_t words[8]; } data[2][lines];
static _Alignas(64) _Atomic uint64_t flag;
static _Alignas(64) _Atomic uint64_t answer;
static uint64_t torn, rounds;

static void *reader(void *unused) {
    for (uint64_t next = 1;;) {
        uint64_t round = atomic_load_explicit(&flag, memory_order_acquire);
        if (round == UINT64_MAX) return 0;
        if (round < next) continue;
        for (int l = lines - 1; l >= 0; l--)
            if (data[round & 1][l].words[0] != round || data[round & 1][l].words[6 - 4 * (l & 1)] != round) {
                torn++;
                break;
            }
        rounds++;
        next = round + 1;
        atomic_store_explicit(&answer, round, memory_order_release);
    }
}

static void write(int kind, uint64_t round) {
    for (int l = 0; l < lines; l++)
        for (int k = 0; k < 8 - 4 * (l & 1); k += 2) {
            volatile uint64_t *words = &data[round & 1][l].words[k];
            if (kind == 3) words[0] = words[1] = round;
            else _mm_stream_si128((__m128i *)words, _mm_set1_epi64x((long long)round));
        }
    if (kind == 1) __asm__ volatile("lock orl $0,-64(%%rsp)" ::: "memory");
    if (kind == 2) _mm_sfence();
}

int main(int count, char **arguments) {
    if (count != 2 || arguments[1][0] < '0' || arguments[1][0] > '3') return 2;
    int kind = arguments[1][0] - '0';
    pthread_t thread;
    struct timespec begin, now;
    pthread_create(&thread, 0, reader, 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint64_t round = 1;; round++) {
        write(kind, round);
        atomic_store_explicit(&flag, round, memory_order_release);
        while (atomic_load_explicit(&answer, memory_order_acquire) != round) {}
        if (round & 1023) continue;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - begin.tv_sec >= seconds) break;
    }
    atomic_store(&flag, UINT64_MAX);
    pthread_join(thread, 0);
    printf("%s: %lu rounds, %lu torn\n", (const char *[]){"no fence", "lock or", "sfence", "plain stores"}[kind], rounds, torn);
}
