/* Signatures of many blocks at once: what librsync computes one block after the other.

   An entry is the Rabin-Karp sum of a block (librsync 2.3.2, rabinkarp.h), big-endian, and its
   BLAKE2b-256 (RFC 7693), cut. Four blocks are hashed side by side in vector registers. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 4
#define CHUNK 128 /* RFC 7693, 2.1: bytes of one compression */

/* The same code for each generation of processors, chosen when the library is loaded. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

typedef uint64_t lanes __attribute__((vector_size(8 * LANES)));

static const uint64_t IV[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* RFC 7693, 2.7 */
static const uint8_t SIGMA[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

INLINE uint64_t load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#define TURN(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#define MIX(a, b, c, d, x, y)      \
    a += b + (x);                  \
    d = TURN(d ^ a, 32);           \
    c += d;                        \
    b = TURN(b ^ c, 24);           \
    a += b + (y);                  \
    d = TURN(d ^ a, 16);           \
    c += d;                        \
    b = TURN(b ^ c, 63);

/* RFC 7693, 3.2, for four blocks of the same length. */
INLINE void compress(lanes h[8], const uint8_t *const at[LANES], uint64_t taken, int last) {
    lanes v[16], m[16] = {{0}};
    for (int i = 0; i < 16; i++)
        m[i] = (lanes){load(at[0] + 8 * i), load(at[1] + 8 * i), load(at[2] + 8 * i),
                       load(at[3] + 8 * i)};
    for (int i = 0; i < 8; i++) {
        v[i] = h[i];
        v[i + 8] = (lanes){IV[i], IV[i], IV[i], IV[i]};
    }
    v[12] ^= taken;
    if (last) v[14] = ~v[14];
#pragma GCC unroll 12
    for (int round = 0; round < 12; round++) {
        const uint8_t *s = SIGMA[round];
        MIX(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]])
        MIX(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]])
        MIX(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]])
        MIX(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]])
        MIX(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]])
        MIX(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]])
        MIX(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]])
        MIX(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]])
    }
    for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

INLINE void strong(const uint8_t *const blocks[LANES], size_t length, uint8_t out[LANES][32]) {
    uint8_t rest[LANES][CHUNK];
    const uint8_t *at[LANES];
    lanes h[8];
    for (int i = 0; i < 8; i++) h[i] = (lanes){IV[i], IV[i], IV[i], IV[i]};
    h[0] ^= 0x01010000 ^ 32; /* no key, 32 bytes of output */
    size_t taken = 0;
    for (; length - taken > CHUNK; taken += CHUNK) {
        for (int lane = 0; lane < LANES; lane++) at[lane] = blocks[lane] + taken;
        compress(h, at, taken + CHUNK, 0);
    }
    for (int lane = 0; lane < LANES; lane++) {
        memset(rest[lane], 0, CHUNK);
        memcpy(rest[lane], blocks[lane] + taken, length - taken);
        at[lane] = rest[lane];
    }
    compress(h, at, length, 1);
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 4; i++)
            for (int byte = 0; byte < 8; byte++)
                out[lane][8 * i + byte] = (uint8_t)(h[i][lane] >> (8 * byte));
}

#define MULTIPLIER 0x08104225u

/* The sum of c[i] * MULTIPLIER^(n-1-i), begun at 1, modulo 2^32; 64 bytes at a time. */
INLINE uint32_t weak(const uint8_t *block, size_t length, const uint32_t powers[65]) {
    uint32_t sum = 1;
    for (; length >= 64; block += 64, length -= 64) {
        uint32_t part = 0;
        for (int i = 0; i < 64; i++) part += block[i] * powers[i];
        sum = sum * powers[64] + part;
    }
    for (; length; block++, length--) sum = sum * MULTIPLIER + *block;
    return sum;
}

/* Writes an entry of 4 + strong_bytes for each block; the last block may be shorter. */
FOR_EACH_PROCESSOR
void ocsnap_sign(const uint8_t *data, size_t size, size_t block, size_t strong_bytes,
                 uint8_t *entries) {
    uint32_t powers[65], power = 1;
    for (int i = 63; i >= 0; i--, power *= MULTIPLIER) powers[i] = power;
    powers[64] = power;
    while (size) {
        size_t count = size / block;
        size_t length = count ? block : size;
        count = count > LANES ? LANES : count ? count : 1;
        const uint8_t *blocks[LANES];
        uint8_t sums[LANES][32];
        for (size_t lane = 0; lane < LANES; lane++)
            blocks[lane] = data + (lane < count ? lane : 0) * length;
        strong(blocks, length, sums);
        for (size_t lane = 0; lane < count; lane++) {
            uint32_t sum = weak(blocks[lane], length, powers);
            for (int byte = 0; byte < 4; byte++) *entries++ = (uint8_t)(sum >> (24 - 8 * byte));
            memcpy(entries, sums[lane], strong_bytes);
            entries += strong_bytes;
        }
        data += count * length;
        size -= count * length;
    }
}
