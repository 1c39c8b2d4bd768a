#!/bin/sh
# Sets the text with the Python example, and reads it with all three; a parent starts this script.
set -e
"$READER" "$TEXT"
"$READER"
"$C_CHILD"
"$SWIFT_CHILD"
