// Text that shows whether it is whole: the CRC-32 of the rest in 8 hexadecimal digits, a space, and the rest.

#ifndef CROWD_TEXT_H
#define CROWD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_HEAD = 9, TEXT_MOST = 9000 };

static inline uint32_t crc32_of(const char *bytes, size_t count) {
    static uint32_t table[256];
    if (!table[255])
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t rest = byte;
            for (int bit = 0; bit < 8; bit++) rest = rest >> 1 ^ (rest & 1 ? 0xedb88320 : 0);
            table[byte] = rest;
        }
    uint32_t crc = ~0u;
    for (size_t index = 0; index < count; index++) crc = crc >> 8 ^ table[(crc ^ (uint8_t)bytes[index]) & 0xff];
    return ~crc;
}

/// Writes text that differs for each pair of numbers, of 40 to TEXT_MOST bytes, and returns its length.
static inline size_t make_text(char text[TEXT_MOST + 1], unsigned setter, unsigned number) {
    unsigned random = (setter * 2654435761u ^ number * 40503u) * 2246822519u;
    // One in four does not fit one page, which is copied in another way than text that does.
    size_t length = 40 + (random >> 8) % (number % 4 ? 1000 : TEXT_MOST - 40);
    int head = snprintf(text + TEXT_HEAD, TEXT_MOST - TEXT_HEAD, "%u %u ", setter, number);
    memset(text + TEXT_HEAD + head, 'a' + (int)(random % 26), length - TEXT_HEAD - (size_t)head);
    char crc[TEXT_HEAD + 1];
    snprintf(crc, sizeof crc, "%08x ", crc32_of(text + TEXT_HEAD, length - TEXT_HEAD));
    memcpy(text, crc, TEXT_HEAD);
    text[length] = 0;
    return length;
}

static inline bool is_whole(const char *text, size_t length) {
    if (length < TEXT_HEAD) return false;
    char crc[TEXT_HEAD + 1];
    snprintf(crc, sizeof crc, "%08x ", crc32_of(text + TEXT_HEAD, length - TEXT_HEAD));
    return memcmp(text, crc, TEXT_HEAD) == 0;
}

#endif
