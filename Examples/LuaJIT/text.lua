#!/usr/bin/env luajit
-- Sets the text to its argument, if it has one, and prints the text and its version.
local ffi = require 'ffi'

-- A subset of sharedmem-ffi.h, which ffi.cdef accepts as a whole.
ffi.cdef [[
typedef struct sharedmem sharedmem_t;
typedef struct { uint64_t instance, number; } sharedmem_version_t;
sharedmem_t *sharedmem_attach_simple(const char *name, const char *directory, size_t capacity, uint32_t flags);
int sharedmem_detach(sharedmem_t *segment);
int sharedmem_set(sharedmem_t *segment, const char *text, size_t length, sharedmem_version_t *version);
char *sharedmem_get_alloc(sharedmem_t *segment, size_t *length, sharedmem_version_t *version);
void sharedmem_free(char *text);
void sharedmem_version_format(sharedmem_version_t version, char buffer[38]);
const char *sharedmem_last_error(void);
]]
local sharedmem = ffi.load 'libSharedMem.so.0'

local function check(succeeded)
    if not succeeded then
        io.stderr:write(ffi.string(sharedmem.sharedmem_last_error()), '\n')
        os.exit(1)
    end
end

local segment = sharedmem.sharedmem_attach_simple(nil, nil, 0, 0)
check(segment ~= nil) -- a null pointer equals nil, but it is true
if arg[1] then check(sharedmem.sharedmem_set(segment, arg[1], #arg[1], nil) == 0) end

local version = ffi.new 'sharedmem_version_t'
local text = sharedmem.sharedmem_get_alloc(segment, nil, version)
check(text ~= nil)
local version_text = ffi.new 'char[38]'
sharedmem.sharedmem_version_format(version, version_text)
print(ffi.string(text))
print(ffi.string(version_text))
sharedmem.sharedmem_free(text)
sharedmem.sharedmem_detach(segment)
