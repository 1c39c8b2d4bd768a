#include "worker.h"

#include <string.h>

char text[MAXIMUM_LENGTH + 1];

static uint64_t state;

void seed_random(uint64_t seed) { state = seed; }

uint64_t random_number(void) {
    uint64_t mixed = state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

static char letter(uint64_t number) { return "abcdefghijklmnopqrstuvwxyz\n\r"[number % 28]; }

static uint64_t sum(const char *bytes, size_t count) {
    uint64_t sum = count;
    for (size_t index = 0; index < count; index++) sum = (sum ^ (unsigned char)bytes[index]) * 0x100000001b3;
    return sum;
}

static void write_checksum(uint64_t sum, char digits[CHECKSUM_LENGTH]) {
    for (int index = 0; index < CHECKSUM_LENGTH; index++) digits[index] = letter(sum >> (60 - 4 * index) & 15);
}

size_t random_length(void) {
    size_t limit = (size_t)64 << (random_number() % 64 == 0 ? 14 : random_number() % 8);
    return CHECKSUM_LENGTH + 1 + random_number() % (limit - CHECKSUM_LENGTH - 1);
}

void make_text(size_t length) {
    uint64_t state = random_number() | 1;
    for (size_t index = CHECKSUM_LENGTH; index < length; index++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        text[index] = letter(state >> 40 & 0xffff);
    }
    write_checksum(sum(text + CHECKSUM_LENGTH, length - CHECKSUM_LENGTH), text);
}

int is_whole(const char *text, size_t length, uint64_t *digest) {
    char digits[CHECKSUM_LENGTH];
    *digest = length;
    if (length <= CHECKSUM_LENGTH) {
        for (size_t index = 0; index < length; index++)
            if (text[index] != letter(length)) return 0;
        return 1;
    }
    *digest = sum(text + CHECKSUM_LENGTH, length - CHECKSUM_LENGTH);
    write_checksum(*digest, digits);
    return memcmp(digits, text, CHECKSUM_LENGTH) == 0;
}
