/* Rows as a server sends them, turned into INSERT statements: what `rows.py` does, in one pass.

   A packet is three bytes of length, one of sequence, and a row: its fields one after the other,
   each with its length before it ("Text Resultset Row" in MySQL's description of the protocol). */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HEADER 4
#define LONGEST 0xffffff /* such a packet goes on in the next one */
#define END_OF_ROWS 0xfe
#define ERROR 0xff

/* What comes after the packets that are whole. */
enum { MORE, LAST, REFUSED, GOES_ON, NO_ROW };
/* How a field is written: the server has written SQL, a number, a text, a text in utf8mb4. */
enum { WRITTEN, NUMBER, QUOTED, UNICODE };
/* What came of formatting. */
enum { DONE, FULL, BROKEN, NULL_FOR_SQL };

typedef struct {
    uint64_t rows, checksum, largest_row_bytes, used_bytes, open;
} ocsnap_tally;

/* CRC-32 (ISO 3309), eight bytes at a time; [0] is the usual table. */
static uint32_t CRC[8][256];
/* What stands after a backslash: in a quoted text, and in what the server has written. */
static uint8_t ESCAPED[256], BREAKS[256];

void ocsnap_prepare(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        CRC[0][byte] = crc;
    }
    for (int table = 1; table < 8; table++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = CRC[table - 1][byte];
            CRC[table][byte] = before >> 8 ^ CRC[0][before & 0xff];
        }
    BREAKS['\n'] = ESCAPED['\n'] = 'n';
    BREAKS['\r'] = ESCAPED['\r'] = 'r';
    ESCAPED['\\'] = '\\';
    ESCAPED['\''] = '\'';
    ESCAPED[0] = '0';
    ESCAPED[0x1a] = 'Z';
}

static uint32_t crc32(const uint8_t *at, size_t size) {
    uint32_t crc = 0xffffffffu;
    for (; size >= 8; at += 8, size -= 8) {
        uint32_t low = crc ^ (at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24);
        crc = CRC[7][low & 0xff] ^ CRC[6][low >> 8 & 0xff] ^ CRC[5][low >> 16 & 0xff] ^
              CRC[4][low >> 24] ^ CRC[3][at[4]] ^ CRC[2][at[5]] ^ CRC[1][at[6]] ^ CRC[0][at[7]];
    }
    for (; size; at++, size--) crc = crc >> 8 ^ CRC[0][(crc ^ *at) & 0xff];
    return ~crc;
}

static uint32_t packet_bytes(const uint8_t *header) {
    return header[0] | header[1] << 8 | (uint32_t)header[2] << 16;
}

/* Returns how much of the data are whole packets with rows, and what comes next. */
size_t ocsnap_whole(const uint8_t *data, size_t size, int *next) {
    size_t at = 0;
    for (*next = MORE; size - at > HEADER;) {
        size_t length = packet_bytes(data + at);
        uint8_t first = data[at + HEADER];
        if (length == LONGEST || !length) {
            *next = length ? GOES_ON : NO_ROW;
            return at;
        }
        if (size - at - HEADER < length) return at;
        if (first == ERROR || (first == END_OF_ROWS && length < 9)) {
            *next = first == ERROR ? REFUSED : LAST;
            return at;
        }
        at += HEADER + length;
    }
    return at;
}

#define WIDTH 16
typedef uint8_t vector __attribute__((vector_size(WIDTH)));

static int has_any(vector bytes) {
    vector found = (vector)(bytes == 0) | (vector)(bytes == '\n') | (vector)(bytes == '\r') |
                   (vector)(bytes == 0x1a) | (vector)(bytes == '\'') | (vector)(bytes == '\\');
    uint64_t halves[2];
    memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/* Writes at most twice as many bytes, and returns where they end. */
static uint8_t *escape(const uint8_t *from, size_t size, const uint8_t table[256], uint8_t *out) {
    while (size) {
        size_t part = size < WIDTH ? size : WIDTH;
        if (part == WIDTH) {
            vector bytes;
            memcpy(&bytes, from, WIDTH);
            if (!has_any(bytes)) {
                memcpy(out, &bytes, WIDTH);
                from += WIDTH, out += WIDTH, size -= WIDTH;
                continue;
            }
        }
        size -= part;
        for (; part; part--, from++) {
            uint8_t other = table[*from];
            if (other) *out++ = '\\';
            *out++ = other ? other : *from;
        }
    }
    return out;
}

static uint8_t *copy(uint8_t *out, const char *text, size_t size) {
    memcpy(out, text, size);
    return out + size;
}
#define COPY(out, text) copy(out, text, sizeof text - 1)

/* Reads a field's length; returns the bytes it takes, 0 where it does not fit. */
static size_t field_length(const uint8_t *at, size_t size, uint64_t *length) {
    if (!size) return 0;
    size_t width = at[0] < 0xfc ? 0 : at[0] == 0xfc ? 2 : at[0] == 0xfd ? 3 : 8;
    if (at[0] == 0xff || size - 1 < width) return 0;
    *length = width ? 0 : at[0];
    for (size_t byte = width; byte; byte--) *length = *length << 8 | at[byte];
    return size - 1 - width < *length ? 0 : 1 + width;
}

/* Writes a row as `(1,'a')`; at most twice its bytes, and 12 for each column. */
static int row(const uint8_t *at, size_t size, const uint8_t *forms, size_t columns,
               uint8_t **end) {
    uint8_t *out = *end;
    *out++ = '(';
    for (size_t column = 0; column < columns; column++) {
        if (column) *out++ = ',';
        uint64_t length;
        if (size && *at == 0xfb) { /* NULL */
            if (forms[column] == WRITTEN) return NULL_FOR_SQL;
            out = COPY(out, "NULL");
            at++, size--;
            continue;
        }
        size_t before = field_length(at, size, &length);
        if (!before) return BROKEN;
        at += before;
        if (forms[column] == WRITTEN || forms[column] == NUMBER) {
            out = escape(at, length, BREAKS, out);
        } else {
            if (forms[column] == UNICODE) out = COPY(out, "_utf8mb4");
            *out++ = '\'';
            out = escape(at, length, ESCAPED, out);
            *out++ = '\'';
        }
        at += length;
        size -= before + length;
    }
    *out++ = ')';
    *end = out;
    return size ? BROKEN : DONE;
}

/* Formats packets, or one row without its header, until all is done or `out` may not take more.
   `taken` and `written` tell how far it came; `needed` how much room the next row may take. */
int ocsnap_insert(const uint8_t *data, size_t size, int framed, const uint8_t *forms,
                  size_t columns, const uint8_t *opening, size_t opening_bytes, size_t limit,
                  ocsnap_tally *tally, uint8_t *out, size_t room, size_t *taken, size_t *written,
                  size_t *needed) {
    uint8_t *end = out;
    size_t at = 0;
    int outcome = DONE;
    while (at < size) {
        size_t start = framed ? at + HEADER : at;
        size_t length = framed ? packet_bytes(data + at) : size;
        *needed = 2 * length + 12 * columns + opening_bytes + 8;
        if (room - (size_t)(end - out) < *needed) {
            outcome = FULL;
            break;
        }
        uint8_t *head = end;
        if (tally->open)
            end = COPY(end, ",\n");
        else
            end = copy(end, (const char *)opening, opening_bytes);
        uint8_t *text = end;
        outcome = row(data + start, length, forms, columns, &end);
        if (outcome != DONE) {
            end = head;
            break;
        }
        size_t text_bytes = (size_t)(end - text);
        if (!tally->open) {
            tally->used_bytes = 0;
        } else if (tally->used_bytes + text_bytes >= limit) {
            memmove(text + opening_bytes, text, text_bytes);
            text = copy(COPY(head, ";\n"), (const char *)opening, opening_bytes);
            end = text + text_bytes;
            tally->used_bytes = 0;
        }
        uint32_t crc = crc32(text, text_bytes);
        tally->used_bytes += text_bytes + 2;
        tally->rows++;
        tally->checksum += crc;
        if (text_bytes > tally->largest_row_bytes) tally->largest_row_bytes = text_bytes;
        tally->open = crc >= (uint64_t)text_bytes << 15;
        if (!tally->open) end = COPY(end, ";\n");
        at = start + length;
    }
    *taken = at;
    *written = (size_t)(end - out);
    return outcome;
}
