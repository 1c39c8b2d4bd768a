"""Reads a segment by docs/format.md alone: format_reader.py DIRECTORY NAME prints its version, then its text."""

import os
import struct
import sys


def read(directory, name):
    descriptor = os.open(f"{directory}/{name}.sharedmem", os.O_RDONLY | os.O_NOFOLLOW)
    try:
        magic, layout, _, capacity, instance = struct.unpack("<8sIIQQ", os.pread(descriptor, 32, 0))
        (features,) = struct.unpack("<Q", os.pread(descriptor, 8, 56))
        stride = -(-capacity // 4096) * 4096
        assert magic == b"sharedm\0" and layout == 1 and features == 0
        assert os.fstat(descriptor).st_size == 24576 + 191 * stride
        while True:
            (current,) = struct.unpack("<Q", os.pread(descriptor, 8, 64))
            number, slot = current >> 8, current & 0xFF
            version = f"{instance:016x}-{number}"
            if number == 0:
                return version, b""
            stamp, count = struct.unpack("<QQ", os.pread(descriptor, 16, 4288 + 64 * slot + 8))
            if stamp != number:
                continue
            text = os.pread(descriptor, count, 24576 + slot * stride) if count <= capacity else None
            (stamp,) = struct.unpack("<Q", os.pread(descriptor, 8, 4288 + 64 * slot + 8))
            if stamp == number:
                assert text is not None, "damaged"
                return version, text
    finally:
        os.close(descriptor)


version, text = read(sys.argv[1], sys.argv[2])
sys.stdout.buffer.write(version.encode() + b"\n" + text)
