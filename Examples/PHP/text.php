#!/usr/bin/env php
<?php
// Sets the text to its argument, if it has one, and prints the text and its version.
declare(strict_types=1);

// `make install` puts the header beside sharedmem.h, such as /usr/local/include/sharedmem-ffi.h.
$header = file_get_contents(__DIR__ . '/../../Sources/CSharedMem/sharedmem-ffi.h');
$sharedmem = FFI::cdef($header, 'libSharedMem.so.0');

function check(bool $succeeded): void
{
    global $sharedmem;
    if (!$succeeded) {
        fwrite(STDERR, $sharedmem->sharedmem_last_error() . "\n");
        exit(1);
    }
}

$segment = $sharedmem->sharedmem_attach_simple(null, null, 0, 0);
check($segment !== null);
if (isset($argv[1])) {
    check($sharedmem->sharedmem_set($segment, $argv[1], strlen($argv[1]), null) === 0);
}

$version = $sharedmem->new('sharedmem_version_t');
$text = $sharedmem->sharedmem_get_alloc($segment, null, FFI::addr($version));
check($text !== null);
printf("%s\n%016x-%d\n", FFI::string($text), $version->instance, $version->number);
$sharedmem->sharedmem_free($text);
$sharedmem->sharedmem_detach($segment);
