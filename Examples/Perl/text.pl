#!/usr/bin/env perl
# Sets the text to its argument, if it has one, and prints the text and its version.
use strict;
use warnings;
use FFI::Platypus 1.00;

my $ffi = FFI::Platypus->new(api => 1, lib => 'libSharedMem.so.0');
$ffi->attach(sharedmem_attach_simple => ['string', 'string', 'size_t', 'uint32'] => 'opaque');
$ffi->attach(sharedmem_detach        => ['opaque'] => 'int');
$ffi->attach(sharedmem_set           => ['opaque', 'string', 'size_t', 'opaque'] => 'int');
$ffi->attach(sharedmem_get_alloc     => ['opaque', 'opaque', 'uint64[2]'] => 'opaque');
$ffi->attach(sharedmem_free          => ['opaque'] => 'void');
$ffi->attach(sharedmem_last_error    => [] => 'string');

sub check { my ($succeeded) = @_; return $succeeded || fail() }
sub fail  { print STDERR sharedmem_last_error(), "\n"; exit 1 }

# Perl's arguments and the library's text are both bytes of UTF-8, so nothing is decoded or encoded here.
my $segment = sharedmem_attach_simple(undef, undef, 0, 0) // fail();
if (defined(my $text = shift @ARGV)) {
    sharedmem_set($segment, $text, length $text, undef) == 0 or fail();
}

my @version = (0, 0);    # instance, number
my $text = sharedmem_get_alloc($segment, undef, \@version) // fail();
printf "%s\n%016x-%d\n", $ffi->cast(opaque => 'string', $text), @version;
sharedmem_free($text);
sharedmem_detach($segment);
