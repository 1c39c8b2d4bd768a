#!/bin/sh
# What a parent starts: sets a text with the Python example, and reads it with all three.
set -e
"$READER" "$TEXT"
"$READER"
"$C_CHILD"
"$SWIFT_CHILD"
