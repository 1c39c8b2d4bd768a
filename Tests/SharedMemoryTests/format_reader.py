"""Reads a segment by docs/format.md alone: format_reader.py DIRECTORY NAME prints its version, then its text."""

import os
import struct
import sys


def read(directory, name):
    descriptor = os.open(f"{directory}/{name}.sharedmem", os.O_RDONLY | os.O_NOFOLLOW)
    try:
        magic, layout, _, capacity, instance = struct.unpack("<8sIIQQ", os.pread(descriptor, 32, 0))
        features, rows, pins, inode = struct.unpack("<QIIQ", os.pread(descriptor, 24, 56))
        slots = pins + rows + 1
        headers = 320 + 64 * pins
        first_slot = -(-(headers + 64 * slots + 64 * rows) // 4096) * 4096
        stride = -(-capacity // 4096) * 4096
        status = os.fstat(descriptor)
        assert magic == b"sharedm\0" and layout == 2 and features == 0 and inode == status.st_ino
        assert status.st_size == first_slot + slots * stride
        while True:
            (current,) = struct.unpack("<Q", os.pread(descriptor, 8, 128))
            number, slot = current & (1 << 48) - 1, current >> 48
            version = f"{instance:016x}-{number}"
            if number == 0:
                return version, b""
            stamp, count = struct.unpack("<QQ", os.pread(descriptor, 16, headers + 64 * slot + 8))
            if stamp != number:
                continue
            text = os.pread(descriptor, count, first_slot + slot * stride) if count <= capacity else None
            (stamp,) = struct.unpack("<Q", os.pread(descriptor, 8, headers + 64 * slot + 8))
            if stamp == number:
                assert text is not None, "damaged"
                return version, text
    finally:
        os.close(descriptor)


version, text = read(sys.argv[1], sys.argv[2])
sys.stdout.buffer.write(version.encode() + b"\n" + text)
