<?php
// Parses a header with PHP's FFI, which finds each function in the library, and prints what C must agree with.
declare(strict_types=1);

$header = file_get_contents($argv[1]);
$library = FFI::cdef($header, $argv[2]);
preg_match_all('/^} (\w+);/m', $header, $structures);
foreach ($structures[1] as $structure) {
    $size = FFI::sizeof($library->type($structure));
    echo "_Static_assert(sizeof($structure) == $size, \"PHP\");\n";
}
