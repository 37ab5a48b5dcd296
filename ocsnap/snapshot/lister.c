/* All names of a directory and what lstat says of them, without a Python object for each.

   A record is a mode, two times in nanoseconds, an inode and a size (of a regular file, else 0), in
   the processor's byte order and without gaps; then the name and a slash, which is in no name. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXED 36                /* bytes of a record before the name */
#define MOST_SECONDS 9000000000 /* nanoseconds of more would not fit 64 bits */

typedef struct {
    size_t at;       /* where in the heap its text begins */
    const char *text;
    size_t length;
    size_t place;    /* among the sorted names */
    int is_there;
    uint8_t fixed[FIXED];
} one;

typedef struct {
    size_t count, names_bytes, records_bytes;
    char *names;      /* sorted, a slash behind each */
    uint8_t *records; /* in the same order */
    uint32_t *ends;   /* of the records */
    char *heap;       /* the texts, as they were read */
    one *read;        /* in the order in which the directory gives them */
    one **sorted;
} ocsnap_listing;

static int grow(void **array, size_t *room, size_t wanted, size_t size) {
    if (wanted <= *room) return 1;
    size_t larger = *room ? 2 * *room : 64;
    if (larger < wanted) larger = wanted;
    void *moved = realloc(*array, larger * size);
    if (!moved) return 0;
    *array = moved;
    *room = larger;
    return 1;
}

static int by_text(const void *left, const void *right) {
    return strcmp((*(one *const *)left)->text, (*(one *const *)right)->text);
}

static int read_names(DIR *stream, size_t most, ocsnap_listing *made) {
    size_t room = 0, heap_room = 0, heap_bytes = 0;
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(stream);
        if (!found) return errno;
        const char *text = found->d_name;
        if (!strcmp(text, ".") || !strcmp(text, "..")) continue;
        if (made->count == most) return EFBIG;
        size_t length = strlen(text);
        if (!grow((void **)&made->read, &room, made->count + 1, sizeof(one)) ||
            !grow((void **)&made->heap, &heap_room, heap_bytes + length + 1, 1))
            return ENOMEM;
        memcpy(made->heap + heap_bytes, text, length + 1);
        made->read[made->count++] = (one){.at = heap_bytes, .length = length};
        heap_bytes += length + 1;
    }
}

static int sort_names(ocsnap_listing *made) {
    made->sorted = malloc((made->count + 1) * sizeof *made->sorted);
    if (!made->sorted) return ENOMEM;
    made->names_bytes = 0;
    for (size_t i = 0; i < made->count; i++) {
        one *name = &made->read[i];
        name->text = made->heap + name->at;
        made->names_bytes += name->length + 1;
        made->sorted[i] = name;
    }
    qsort(made->sorted, made->count, sizeof *made->sorted, by_text);
    char *at = made->names = malloc(made->names_bytes + 1);
    if (!at) return ENOMEM;
    for (size_t i = 0; i < made->count; i++) {
        one *name = made->sorted[i];
        name->place = i;
        memcpy(at, name->text, name->length);
        at += name->length;
        *at++ = '/';
    }
    return 0;
}

static uint8_t *put(uint8_t *to, const void *from, size_t size) {
    memcpy(to, from, size);
    return to + size;
}

static int fill(one *name, const struct stat *status) {
    int64_t times[2];
    const struct timespec *told[2] = {&status->st_mtim, &status->st_ctim};
    for (int i = 0; i < 2; i++) {
        if (told[i]->tv_sec > MOST_SECONDS || told[i]->tv_sec < -MOST_SECONDS) return EOVERFLOW;
        times[i] = (int64_t)told[i]->tv_sec * 1000000000 + told[i]->tv_nsec;
    }
    uint32_t mode = status->st_mode;
    uint64_t inode = status->st_ino;
    uint64_t size = S_ISREG(status->st_mode) ? (uint64_t)status->st_size : 0;
    uint8_t *at = put(name->fixed, &mode, sizeof mode);
    at = put(at, times, sizeof times);
    at = put(at, &inode, sizeof inode);
    put(at, &size, sizeof size);
    name->is_there = 1;
    return 0;
}

static int write_records(ocsnap_listing *made) {
    uint8_t *at = made->records = malloc(made->count * FIXED + made->names_bytes + 1);
    made->ends = malloc((made->count + 1) * sizeof *made->ends);
    if (!at || !made->ends) return ENOMEM;
    char *text = made->names;
    size_t kept = 0;
    for (size_t i = 0; i < made->count; i++) {
        const one *name = made->sorted[i];
        if (!name->is_there) continue;
        at = put(at, name->fixed, FIXED);
        at = put(at, name->text, name->length);
        *at++ = '/';
        made->ends[kept++] = (uint32_t)(at - made->records);
        memcpy(text, name->text, name->length);
        text += name->length;
        *text++ = '/';
    }
    made->count = kept;
    made->names_bytes = (size_t)(text - made->names);
    made->records_bytes = (size_t)(at - made->records);
    return 0;
}

void ocsnap_release(ocsnap_listing *made) {
    free(made->names);
    free(made->records);
    free(made->ends);
    free(made->heap);
    free(made->read);
    free(made->sorted);
    memset(made, 0, sizeof *made);
}

/* Reads the names of a directory that was just opened; EFBIG if there are more than `most`. */
int ocsnap_list(int directory, size_t most, ocsnap_listing *made) {
    memset(made, 0, sizeof *made);
    int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return errno;
    DIR *stream = fdopendir(copy);
    if (!stream) {
        int failure = errno;
        close(copy);
        return failure;
    }
    int failure = read_names(stream, most, made);
    closedir(stream);
    return failure ? failure : sort_names(made);
}

/* Looks at each name but those that `left_out` (a byte for each, or NULL) says; leaves no name in
   the listing that is left out or has vanished. Any other failure is returned. */
int ocsnap_look(int directory, const uint8_t *left_out, ocsnap_listing *made) {
    for (size_t i = 0; i < made->count; i++) {
        one *name = &made->read[i];
        struct stat status;
        if (left_out && left_out[name->place]) continue;
        if (fstatat(directory, name->text, &status, AT_SYMLINK_NOFOLLOW)) {
            if (errno == ENOENT) continue;
            return errno;
        }
        int failure = fill(name, &status);
        if (failure) return failure;
    }
    return write_records(made);
}
