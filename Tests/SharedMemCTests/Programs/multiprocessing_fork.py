"""Forks while attached, as multiprocessing does; the children set and get, and end in any way and order."""

import ctypes
import multiprocessing
import os
import random
import signal
import time

import reader

CHILDREN, ROUNDS = 8, 200


def version(segment):
    now = reader.Version()
    reader.check(reader.library.sharedmem_version(ctypes.c_void_p(segment.handle), ctypes.byref(now)))
    return now.instance, now.number


def work(number, segment, instance, start):
    assert start.wait(30)
    for turn in range(ROUNDS):
        segment.set(f"hijo {number}, {turn}: ñ€😀")
        text = segment.get()
        assert text.startswith("hijo ") and text.endswith(": ñ€😀"), text
    assert version(segment)[0] == instance
    time.sleep(random.random() / 10)
    if number % 4 == 1:
        os._exit(0)
    if number % 4 == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number % 4 == 3:
        segment.__exit__()


def main():
    path = os.path.join(os.environ["SHAREDMEM_DIRECTORY"], "shared.sharedmem")
    fork = multiprocessing.get_context("fork")
    segment = reader.Segment()
    segment.set("padre")
    instance, number = version(segment)
    file = os.stat(path).st_ino

    start = fork.Event()
    children = [fork.Process(target=work, args=(each, segment, instance, start)) for each in range(CHILDREN)]
    for child in children:
        child.start()
    start.set()
    for each, child in enumerate(children):
        child.join(60)
        assert child.exitcode == (-signal.SIGKILL if each % 4 == 2 else 0), (each, child.exitcode)

    assert os.stat(path).st_ino == file
    assert segment.get().startswith("hijo ")
    assert version(segment) == (instance, number + CHILDREN * ROUNDS)
    segment.set("padre otra vez")
    assert segment.get() == "padre otra vez"
    segment.__exit__()


main()
