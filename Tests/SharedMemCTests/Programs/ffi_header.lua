-- Parses a header with LuaJIT, finds each function in the library, and prints what C must agree with.
local ffi = require 'ffi'

local header = io.open(arg[1]):read('*a'):gsub('//[^\n]*', '')
ffi.cdef(header)
local library = ffi.load(arg[2])
for name in header:gmatch('([%w_]+)%(') do
    assert(library[name])
end
for structure in header:gmatch('\n} ([%w_]+);') do
    print(('_Static_assert(sizeof(%s) == %d, "LuaJIT");'):format(structure, ffi.sizeof(structure)))
end
