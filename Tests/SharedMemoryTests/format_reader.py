"""Reads a segment by docs/format.md alone.

    format_reader.py DIRECTORY NAME             prints its version, then its text
    format_reader.py DIRECTORY NAME --follow    for each line of input, prints version and text as JSON, or null
                                                if there is no such segment; keeps the file open as long as it may
"""

import fcntl
import json
import os
import struct
import sys


class Segment:
    def __init__(self, directory, name):
        self.path = f"{directory}/{name}.sharedmem"
        self.descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        magic, layout, self.lifetime, self.capacity, self.instance = struct.unpack("<8sIIQQ", self.bytes(0, 32))
        features, rows, pins, inode = struct.unpack("<QIIQ", self.bytes(56, 24))
        slots = pins + rows + 1
        self.headers = 320 + 64 * pins
        self.first_slot = -(-(self.headers + 64 * slots + 64 * rows) // 4096) * 4096
        self.stride = -(-self.capacity // 4096) * 4096
        status = os.fstat(self.descriptor)
        assert magic == b"sharedm\0" and layout == 2 and features == 0 and inode == status.st_ino
        assert status.st_size == self.first_slot + slots * self.stride

    def close(self):
        os.close(self.descriptor)

    def bytes(self, offset, count):
        return os.pread(self.descriptor, count, offset)

    def number(self, offset, form="<Q"):
        return struct.unpack(form, self.bytes(offset, struct.calcsize(form)))[0]

    def is_there(self):
        """Whether the file is still the segment of its name ("The end of a segment")."""
        status = os.fstat(self.descriptor)
        if status.st_nlink == 0:
            return False
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return False
        if (found.st_dev, found.st_ino) != (status.st_dev, status.st_ino):
            return False
        return self.lifetime == 1 or self.number(192, "<I") != 0 or self.is_attached()

    def is_attached(self):
        """Whether any process holds a lock on byte 12."""
        question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 12, 1, 0)
        answer = fcntl.fcntl(self.descriptor, 36, question)  # F_OFD_GETLK
        return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK

    def read(self):
        while True:
            current = self.number(128)
            number, slot = current & (1 << 48) - 1, current >> 48
            version = f"{self.instance:016x}-{number}"
            if number == 0:
                return version, b""
            header = self.headers + 64 * slot
            stamp, count = struct.unpack("<QQ", self.bytes(header + 8, 16))
            if stamp != number:
                continue
            text = self.bytes(self.first_slot + slot * self.stride, count) if count <= self.capacity else None
            if self.number(header + 8) == number:
                assert text is not None, "damaged"
                return version, text


def open_segment(directory, name):
    """The segment of a name, or None."""
    for _ in range(10):
        try:
            segment = Segment(directory, name)
        except FileNotFoundError:
            return None
        if segment.is_there():
            return segment
        segment.close()
    return None


def follow(directory, name):
    segment = None
    for _ in sys.stdin:
        if segment and not segment.is_there():
            segment.close()
            segment = None
        segment = segment or open_segment(directory, name)
        version, text = segment.read() if segment else (None, b"")
        print(json.dumps(segment and {"version": version, "text": text.decode()}), flush=True)


if sys.argv[3:] == ["--follow"]:
    follow(*sys.argv[1:3])
else:
    segment = open_segment(*sys.argv[1:3])
    if not segment:
        sys.exit("There is no such segment.")
    version, text = segment.read()
    sys.stdout.buffer.write(version.encode() + b"\n" + text)
