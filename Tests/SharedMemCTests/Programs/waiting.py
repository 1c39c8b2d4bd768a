"""Waits for a change through ctypes: in threads, in a forked child, and under signals."""

import ctypes
import errno
import os
import signal
import threading
import time

import reader

library = reader.library
library.sharedmem_version.argtypes = [ctypes.c_void_p, ctypes.POINTER(reader.Version)]
library.sharedmem_wait.argtypes = [ctypes.c_void_p, reader.Version, ctypes.c_int, ctypes.POINTER(reader.Version)]


def version(segment):
    now = reader.Version()
    reader.check(library.sharedmem_version(segment.handle, ctypes.byref(now)))
    return now


def wait(segment, after, milliseconds):
    """The version that follows, or an errno."""
    if library.sharedmem_wait(segment.handle, after, milliseconds, ctypes.byref(after)) == 0:
        return after
    return ctypes.get_errno()


def follow(segment, count, seen):
    now = version(segment)
    while now.number < count:
        now = wait(segment, now, 30000)
        seen.append(now.number)


def main():
    with reader.Segment() as segment:
        segment.set("one")
        present = version(segment)
        assert wait(segment, present, 0) == errno.ETIMEDOUT
        assert wait(segment, reader.Version(), -1).number == 1

        seen = [[] for _ in range(8)]
        threads = [threading.Thread(target=follow, args=(segment, 100, each)) for each in seen]
        for thread in threads:
            thread.start()
        child = os.fork()
        if child == 0:
            follow(segment, 100, [])
            os._exit(0)
        while version(segment).number < 100:
            segment.set("again")
            time.sleep(0.001)
        for thread, numbers in zip(threads, seen):
            thread.join(60)
            assert numbers[-1] == 100 and numbers == sorted(set(numbers)), numbers
        assert os.waitpid(child, 0)[1] == 0

        handled = []
        signal.signal(signal.SIGALRM, lambda *_: handled.append(True))
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert wait(segment, version(segment), -1) == errno.EINTR
        assert handled


main()
