-- Answers a request with the text, for nginx with LuaJIT. Each worker attaches at its first request.
local ffi = require "ffi"
ffi.cdef [[
typedef struct sharedmem sharedmem_t;
typedef struct { uint64_t instance, number; } sharedmem_version_t;
typedef struct {
    const char *text; size_t length; sharedmem_version_t version; uint64_t publication_time; uintptr_t opaque;
} sharedmem_borrow_t;
sharedmem_t *sharedmem_attach_simple(const char *name, const char *directory, size_t capacity, uint32_t flags);
int sharedmem_borrow(sharedmem_t *segment, sharedmem_borrow_t *borrow);
int sharedmem_release(sharedmem_t *segment, sharedmem_borrow_t *borrow);
const char *sharedmem_last_error(void);
]]
local library = ffi.load(os.getenv("CROWD_LIBRARY"))
local directory = os.getenv("CROWD_DIRECTORY")
local borrow = ffi.new("sharedmem_borrow_t")
local segment

local reader = {}

local function failed()
    ngx.status = 500
    ngx.say(ffi.string(library.sharedmem_last_error()))
end

--- Attaches; in the master, before the fork, if nginx.conf says so.
function reader.attach()
    if segment == nil then segment = library.sharedmem_attach_simple("crowd", directory, 0, 0) end
    return segment ~= nil
end

function reader.answer()
    if not reader.attach() or library.sharedmem_borrow(segment, borrow) ~= 0 then return failed() end
    local text = ffi.string(borrow.text, borrow.length)
    ngx.header["X-Process"] = ngx.worker.pid()
    ngx.header["X-Number"] = tostring(tonumber(borrow.version.number))
    ngx.header["Content-Length"] = #text
    library.sharedmem_release(segment, borrow)
    ngx.print(text)
end

return reader
