// Text shared through our C interface, LMDB, locks between processes, a bare seqlock, and plain memory. See timing.h.

#define _GNU_SOURCE
#include "timing.h"

#include <lmdb.h>
#include <sharedmem.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// MARK: sharedmem

struct ours {
    sharedmem_t *segment;
    const struct job *job;
    char *buffer;
};

static sharedmem_t *attach(const struct job *job, uint32_t flags) {
    sharedmem_options_t options = SHAREDMEM_OPTIONS;
    options.directory = job->directory;
    options.flags = flags;
    if (!(flags & SHAREDMEM_EXISTING)) options.capacity = job->length > 1 << 20 ? job->length : 1 << 20;
    sharedmem_t *segment = sharedmem_attach("text", &options);
    require(segment != NULL, sharedmem_last_error());
    return segment;
}

static void ours_create(const struct job *job) {
    sharedmem_t *segment = attach(job, SHAREDMEM_PERSISTENT);
    require(sharedmem_set(segment, job->text, job->length, NULL) == 0, "sharedmem_set");
    sharedmem_detach(segment);
}

static void *ours_open(const struct job *job) {
    struct ours *ours = malloc(sizeof *ours);
    *ours = (struct ours){attach(job, SHAREDMEM_EXISTING), job, malloc(job->length + 1)};
    return ours;
}

static void ours_close(void *object) {
    struct ours *ours = object;
    sharedmem_detach(ours->segment);
    free(ours->buffer);
    free(ours);
}

static uintptr_t ours_borrow(void *object, long count) {
    struct ours *ours = object;
    uintptr_t sum = 0;
    while (count-- > 0) {
        sharedmem_borrow_t borrow;
        require(sharedmem_borrow(ours->segment, &borrow) == 0, "sharedmem_borrow");
        sum += (unsigned char)borrow.text[0] + borrow.length;
        sharedmem_release(ours->segment, &borrow);
    }
    return sum;
}

static uintptr_t ours_get(void *object, long count) {
    struct ours *ours = object;
    uintptr_t sum = 0;
    while (count-- > 0) {
        ssize_t length = sharedmem_get(ours->segment, ours->buffer, ours->job->length + 1, NULL);
        require(length >= 0, "sharedmem_get");
        sum += (unsigned char)ours->buffer[0] + (size_t)length;
    }
    return sum;
}

static uintptr_t ours_reader(void *object, long count) {
    struct ours *ours = object;
    sharedmem_reader_t *reader = sharedmem_reader_open(ours->segment);
    require(reader != NULL, "sharedmem_reader_open");
    uintptr_t sum = 0;
    while (count-- > 0) {
        const sharedmem_borrow_t *text = sharedmem_reader_read(reader);
        require(text != NULL, "sharedmem_reader_read");
        sum += (unsigned char)text->text[0] + text->length;
    }
    sharedmem_reader_close(reader);
    return sum;
}

static void ours_set(void *object, long count) {
    struct ours *ours = object;
    while (count-- > 0)
        require(sharedmem_set(ours->segment, ours->job->text, ours->job->length, NULL) == 0, "sharedmem_set");
}

// MARK: LMDB, without syncing, with a map that is written in place, and with one reader that is renewed and reset

struct lmdb {
    MDB_env *environment;
    MDB_txn *reader;
    MDB_dbi database;
    const struct job *job;
    char *buffer;
};

static void check(int result) {
    if (result != 0) give_up(mdb_strerror(result));
}

static MDB_val lmdb_key(void) { return (MDB_val){4, "text"}; }

static void lmdb_put(struct lmdb *lmdb) {
    MDB_txn *transaction;
    MDB_val key = lmdb_key(), value = {lmdb->job->length, lmdb->job->text};
    check(mdb_txn_begin(lmdb->environment, NULL, 0, &transaction));
    check(mdb_put(transaction, lmdb->database, &key, &value, 0));
    check(mdb_txn_commit(transaction));
}

static void *lmdb_open(const struct job *job) {
    struct lmdb *lmdb = malloc(sizeof *lmdb);
    *lmdb = (struct lmdb){.job = job, .buffer = malloc(job->length)};
    MDB_txn *transaction;
    check(mdb_env_create(&lmdb->environment));
    // Room for the pages that writers leave behind while a reader is not scheduled. The file is sparse.
    check(mdb_env_set_mapsize(lmdb->environment, (256 << 20) + 8 * job->length));
    check(mdb_env_open(lmdb->environment, job->directory, MDB_NOSYNC | MDB_WRITEMAP | MDB_NOTLS | MDB_NOMEMINIT, 0600));
    check(mdb_txn_begin(lmdb->environment, NULL, MDB_RDONLY, &transaction));
    check(mdb_dbi_open(transaction, NULL, 0, &lmdb->database));
    check(mdb_txn_commit(transaction));
    check(mdb_txn_begin(lmdb->environment, NULL, MDB_RDONLY, &lmdb->reader));
    mdb_txn_reset(lmdb->reader);
    return lmdb;
}

static void lmdb_close(void *object) {
    struct lmdb *lmdb = object;
    mdb_txn_abort(lmdb->reader);
    mdb_env_close(lmdb->environment);
    free(lmdb->buffer);
    free(lmdb);
}

static void lmdb_create(const struct job *job) {
    struct lmdb *lmdb = lmdb_open(job);
    lmdb_put(lmdb);
    lmdb_close(lmdb);
}

static inline uintptr_t lmdb_repeat(struct lmdb *lmdb, long count, int copies) {
    uintptr_t sum = 0;
    while (count-- > 0) {
        MDB_val key = lmdb_key(), value;
        check(mdb_txn_renew(lmdb->reader));
        check(mdb_get(lmdb->reader, lmdb->database, &key, &value));
        const unsigned char *text = value.mv_data;
        if (copies) text = memcpy(lmdb->buffer, value.mv_data, value.mv_size);
        sum += text[0] + value.mv_size;
        mdb_txn_reset(lmdb->reader);
    }
    return sum;
}

static uintptr_t lmdb_read(void *object, long count) { return lmdb_repeat(object, count, 0); }

static uintptr_t lmdb_copy(void *object, long count) { return lmdb_repeat(object, count, 1); }

static void lmdb_write(void *object, long count) {
    while (count-- > 0) lmdb_put(object);
}

// MARK: Memory in a file of its own, and the locks for its readers and writers

struct memory {
    _Alignas(64) _Atomic uint64_t sequence;
    _Alignas(64) _Atomic uint64_t pin;
    _Alignas(64) pthread_rwlock_t rwlock;
    _Alignas(64) pthread_mutex_t mutex;
    _Alignas(64) size_t length;
    _Alignas(64) unsigned char text[];
};

struct mapped {
    struct memory *memory;
    const struct job *job;
    unsigned char *buffer;
    int turn;
};

// The writer of plain memory rotates through three places: a writer that overwrites the place being read publishes nothing.
enum { places = 3 };

static size_t text_room(const struct job *job) { return (job->length + 4095) / 4096 * 4096; }

static size_t memory_size(const struct job *job) { return sizeof(struct memory) + places * text_room(job); }

static void *memory_open(const struct job *job) {
    char path[4096];
    snprintf(path, sizeof path, "%s/memory", job->directory);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    require(file >= 0 && ftruncate(file, memory_size(job)) == 0, path);
    struct mapped *mapped = malloc(sizeof *mapped);
    void *memory = mmap(NULL, memory_size(job), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    require(memory != MAP_FAILED, "mmap");
    close(file);
    *mapped = (struct mapped){memory, job, malloc(job->length), 0};
    return mapped;
}

static void memory_close(void *object) {
    struct mapped *mapped = object;
    munmap(mapped->memory, memory_size(mapped->job));
    free(mapped->buffer);
    free(mapped);
}

static void memory_create(const struct job *job) {
    struct mapped *mapped = memory_open(job);
    struct memory *memory = mapped->memory;
    pthread_rwlockattr_t rwlock;
    pthread_rwlockattr_init(&rwlock);
    pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&memory->rwlock, &rwlock);
    pthread_mutexattr_t mutex;
    pthread_mutexattr_init(&mutex);
    pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&memory->mutex, &mutex);
    memory->length = job->length;
    for (int place = 0; place < places; place++)
        memcpy(memory->text + place * text_room(job), job->text, job->length);
    memory_close(mapped);
}

static inline uintptr_t copy_out(struct mapped *mapped) {
    size_t length = mapped->memory->length;
    memcpy(mapped->buffer, mapped->memory->text, length);
    return mapped->buffer[0] + length;
}

static inline void copy_in(struct mapped *mapped) {
    mapped->memory->length = mapped->job->length;
    memcpy(mapped->memory->text, mapped->job->text, mapped->job->length);
}

static uintptr_t rwlock_read(void *object, long count) {
    struct mapped *mapped = object;
    uintptr_t sum = 0;
    while (count-- > 0) {
        pthread_rwlock_rdlock(&mapped->memory->rwlock);
        sum += copy_out(mapped);
        pthread_rwlock_unlock(&mapped->memory->rwlock);
    }
    return sum;
}

static void rwlock_write(void *object, long count) {
    struct mapped *mapped = object;
    while (count-- > 0) {
        pthread_rwlock_wrlock(&mapped->memory->rwlock);
        copy_in(mapped);
        pthread_rwlock_unlock(&mapped->memory->rwlock);
    }
}

static uintptr_t mutex_read(void *object, long count) {
    struct mapped *mapped = object;
    uintptr_t sum = 0;
    while (count-- > 0) {
        require(pthread_mutex_lock(&mapped->memory->mutex) == 0, "pthread_mutex_lock");
        sum += copy_out(mapped);
        pthread_mutex_unlock(&mapped->memory->mutex);
    }
    return sum;
}

static void mutex_write(void *object, long count) {
    struct mapped *mapped = object;
    while (count-- > 0) {
        require(pthread_mutex_lock(&mapped->memory->mutex) == 0, "pthread_mutex_lock");
        copy_in(mapped);
        pthread_mutex_unlock(&mapped->memory->mutex);
    }
}

static uintptr_t seqlock_read(void *object, long count) {
    struct mapped *mapped = object;
    uintptr_t sum = 0;
    while (count-- > 0) {
        uint64_t before, after;
        uintptr_t value;
        do {
            before = atomic_load_explicit(&mapped->memory->sequence, memory_order_acquire);
            value = copy_out(mapped);
            atomic_thread_fence(memory_order_acquire);
            after = atomic_load_explicit(&mapped->memory->sequence, memory_order_relaxed);
        } while (before != after || before % 2 != 0);
        sum += value;
    }
    return sum;
}

/// An odd number locks out other writers.
static void seqlock_write(void *object, long count) {
    struct mapped *mapped = object;
    while (count-- > 0) {
        uint64_t before = atomic_load_explicit(&mapped->memory->sequence, memory_order_relaxed);
        while (before % 2 != 0 || !atomic_compare_exchange_weak_explicit(
                   &mapped->memory->sequence, &before, before + 1, memory_order_acquire, memory_order_relaxed)) {
            if (before % 2 != 0) sched_yield();
            before = atomic_load_explicit(&mapped->memory->sequence, memory_order_relaxed);
        }
        atomic_thread_fence(memory_order_release);
        copy_in(mapped);
        atomic_store_explicit(&mapped->memory->sequence, before + 2, memory_order_release);
    }
}

static uintptr_t plain_read(void *object, long count) {
    uintptr_t sum = 0;
    while (count-- > 0) {
        sum += copy_out(object);
        atomic_signal_fence(memory_order_seq_cst); // otherwise the compiler copies only once
    }
    return sum;
}

static void plain_write(void *object, long count) {
    struct mapped *mapped = object;
    while (count-- > 0) {
        mapped->turn = (mapped->turn + 1) % places;
        memcpy(mapped->memory->text + mapped->turn * text_room(mapped->job), mapped->job->text, mapped->job->length);
        atomic_signal_fence(memory_order_seq_cst);
    }
}

/// The atomic operations of a borrow, and nothing else.
static uintptr_t exchange_read(void *object, long count) {
    struct memory *memory = ((struct mapped *)object)->memory;
    uintptr_t sum = 0;
    while (count-- > 0) {
        uint64_t free = 0;
        if (!atomic_compare_exchange_strong(&memory->pin, &free, 1)) give_up("the pin is taken");
        sum += atomic_load(&memory->sequence);
        atomic_store_explicit(&memory->pin, 0, memory_order_release);
    }
    return sum;
}

int main(int argc, char **argv) {
    static const struct peer peers[] = {
        {"borrow", ours_create, ours_open, ours_close, ours_borrow, ours_set},
        {"reader", ours_create, ours_open, ours_close, ours_reader, ours_set},
        {"get", ours_create, ours_open, ours_close, ours_get, ours_set},
        {"lmdb", lmdb_create, lmdb_open, lmdb_close, lmdb_read, lmdb_write},
        {"lmdb-copy", lmdb_create, lmdb_open, lmdb_close, lmdb_copy, lmdb_write},
        {"rwlock", memory_create, memory_open, memory_close, rwlock_read, rwlock_write},
        {"mutex", memory_create, memory_open, memory_close, mutex_read, mutex_write},
        {"seqlock", memory_create, memory_open, memory_close, seqlock_read, seqlock_write},
        {"memcpy", memory_create, memory_open, memory_close, plain_read, plain_write},
        {"exchange", memory_create, memory_open, memory_close, exchange_read, NULL},
    };
    return measure_peers(argc, argv, peers, sizeof peers / sizeof *peers);
}
