#include "CLinux.h"

#include <pthread.h>
#include <string.h>

// CRC-64/XZ, eight bytes at a time.

static uint64_t table[8][256];

static void fill_table(void) {
    const uint64_t polynomial = 0xc96c5795d7870f42;
    for (int byte = 0; byte < 256; byte++) {
        uint64_t crc = (uint64_t)byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
        table[0][byte] = crc;
    }
    for (int byte = 0; byte < 256; byte++)
        for (int slice = 1; slice < 8; slice++)
            table[slice][byte] = table[slice - 1][byte] >> 8 ^ table[0][table[slice - 1][byte] & 0xff];
}

uint64_t clinux_crc64(uint64_t crc, const void *bytes, size_t byte_count) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    const unsigned char *next = bytes;
    crc = ~crc;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; byte_count >= 8; next += 8, byte_count -= 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        crc ^= word;
        crc = table[7][crc & 0xff] ^ table[6][crc >> 8 & 0xff] ^ table[5][crc >> 16 & 0xff] ^ table[4][crc >> 24 & 0xff]
            ^ table[3][crc >> 32 & 0xff] ^ table[2][crc >> 40 & 0xff] ^ table[1][crc >> 48 & 0xff] ^ table[0][crc >> 56];
    }
#endif
    for (; byte_count > 0; next++, byte_count--) crc = crc >> 8 ^ table[0][(crc ^ *next) & 0xff];
    return ~crc;
}
