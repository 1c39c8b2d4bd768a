#!/usr/bin/env ruby
# Sets the text to its argument, if it has one, and prints the text and its version.
require 'fiddle/import'

module SharedMem
  extend Fiddle::Importer
  dlload 'libSharedMem.so.0'
  extern 'void *sharedmem_attach_simple(const char *name, const char *directory, size_t capacity, uint32_t flags)'
  extern 'int sharedmem_detach(void *segment)'
  extern 'int sharedmem_set(void *segment, const char *text, size_t length, void *version)'
  extern 'void *sharedmem_get_alloc(void *segment, void *length, void *version)'
  extern 'void sharedmem_free(void *text)'
  extern 'const char *sharedmem_last_error()'
  Version = struct ['uint64_t instance', 'uint64_t number']

  def self.check(succeeded)
    abort sharedmem_last_error.to_s unless succeeded
  end
end

segment = SharedMem.sharedmem_attach_simple(nil, nil, 0, 0)
SharedMem.check(!segment.null?)
if (text = ARGV.first)
  SharedMem.check(SharedMem.sharedmem_set(segment, text, text.bytesize, nil).zero?)
end

version = SharedMem::Version.malloc(Fiddle::RUBY_FREE)
copy = SharedMem.sharedmem_get_alloc(segment, nil, version)
SharedMem.check(!copy.null?)
puts copy.to_s.force_encoding(Encoding::UTF_8)
puts format('%016x-%d', version.instance, version.number)
SharedMem.sharedmem_free(copy)
SharedMem.sharedmem_detach(segment)
