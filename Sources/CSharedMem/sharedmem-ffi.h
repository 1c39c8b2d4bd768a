// Generated from sharedmem.h by Scripts/ffi-header: the declarations for parsers without a preprocessor, such as
//     PHP      $sharedmem = FFI::cdef(file_get_contents('sharedmem-ffi.h'), 'libSharedMem.so.0');
//     cffi     ffi.cdef(open("sharedmem-ffi.h").read()); sharedmem = ffi.dlopen("libSharedMem.so.0")
//     LuaJIT   ffi.cdef(io.open('sharedmem-ffi.h'):read('*a')); local sharedmem = ffi.load('libSharedMem.so.0')
// sharedmem.h documents them. Before you pass options, clear them and set `size` to the size of the structure. A
// wchar_t is an int32_t here.

enum {
    SHAREDMEM_READ_ONLY = 1,
    SHAREDMEM_PERSISTENT = 2,
    SHAREDMEM_EXISTING = 4,
    SHAREDMEM_VERSION_SIZE = 38,
};

void SetSharedMem(const int32_t *text);

void GetSharedMem(int32_t *buffer, uint32_t count);

typedef struct sharedmem sharedmem_t;

typedef struct sharedmem_version_t {
    uint64_t instance;
    uint64_t number;
} sharedmem_version_t;

typedef struct sharedmem_options_t {
    size_t size;
    const char *directory;
    size_t capacity;
    uint32_t flags;
    uint32_t mode;
    const uint32_t *trusted_owners;
    size_t trusted_owner_count;
    uint32_t row_count;
    uint32_t pin_count;
    const char *group;
} sharedmem_options_t;

sharedmem_t *sharedmem_attach(const char *name, const sharedmem_options_t *options);

sharedmem_t *sharedmem_attach_simple(const char *name, const char *directory, size_t capacity, uint32_t flags);

int sharedmem_detach(sharedmem_t *segment);

ssize_t sharedmem_capacity(sharedmem_t *segment);

int sharedmem_set(sharedmem_t *segment, const char *text, size_t length, sharedmem_version_t *version);

int sharedmem_set_if(sharedmem_t *segment, const char *text, size_t length, const sharedmem_version_t *expected,
                     sharedmem_version_t *version);

ssize_t sharedmem_get(sharedmem_t *segment, char *buffer, size_t size, sharedmem_version_t *version);

char *sharedmem_get_alloc(sharedmem_t *segment, size_t *length, sharedmem_version_t *version);

void sharedmem_free(char *text);

int sharedmem_version(sharedmem_t *segment, sharedmem_version_t *version);

int sharedmem_wait(
    sharedmem_t *segment, sharedmem_version_t after, int timeout_milliseconds, sharedmem_version_t *version);

int sharedmem_wait_after(sharedmem_t *segment, uint64_t instance, uint64_t number, int timeout_milliseconds,
                         sharedmem_version_t *version);

int sharedmem_eventfd(sharedmem_t *segment);

typedef struct sharedmem_borrow_t {
    const char *text;
    size_t length;
    sharedmem_version_t version;
    uint64_t publication_time;
    uintptr_t opaque;
} sharedmem_borrow_t;

int sharedmem_borrow(sharedmem_t *segment, sharedmem_borrow_t *borrow);

int sharedmem_release(sharedmem_t *segment, sharedmem_borrow_t *borrow);

typedef struct sharedmem_reader sharedmem_reader_t;

sharedmem_reader_t *sharedmem_reader_open(sharedmem_t *segment);

const sharedmem_borrow_t *sharedmem_reader_read(sharedmem_reader_t *reader);

void sharedmem_reader_unpin(sharedmem_reader_t *reader);

void sharedmem_reader_close(sharedmem_reader_t *reader);

typedef struct sharedmem_info_t {
    size_t capacity;
    size_t length;
    sharedmem_version_t version;
    uint64_t publication_time, creation_time;
    size_t memory;
    uint32_t flags;
    uint32_t mode, owner;
    uint32_t pins, pin_count;
    uint32_t rows, row_count;
    uint32_t attachments;
    uint32_t setter_process, setter_user;
    char setter_program[17];
} sharedmem_info_t;

int sharedmem_info(const char *name, const sharedmem_options_t *options, sharedmem_info_t *info);

ssize_t sharedmem_list(const char *directory, char *buffer, size_t size);

int sharedmem_unlink(const char *name, const sharedmem_options_t *options);

void sharedmem_version_format(sharedmem_version_t version, char buffer[38]);

int sharedmem_version_parse(const char *text, sharedmem_version_t *version);

const char *sharedmem_last_error(void);

const char *sharedmem_strerror(int error);
