"""Threads, forks, kills and the end of the interpreter."""

import multiprocessing
import os
import signal
import threading

import sharedmem
from support import LIMIT, SegmentCase


class ProcessTests(SegmentCase):
    def test_killed_processes_leave_the_text_and_nothing_else(self):
        segment = self.attach()
        for number in range(10):
            process = self.start("segment = sharedmem.attach('text')\nview = segment.borrow().__enter__()\n"
                                 "print('ready', flush=True)\nwhile True: segment.set(sys.argv[1] * 1000)", f"{number}")
            self.assertEqual(process.stdout.readline(), "ready\n")
            segment.wait(segment.version, timeout=LIMIT)
            process.kill()
            process.wait(LIMIT)
            self.assertEqual(segment.get(), f"{number}" * 1000)
        segment.set("after")
        self.assertEqual((segment.get(), sharedmem.info("text").pins, sharedmem.info("text").attachments), ("after", 0, 1))

    def test_interpreter_exits_in_any_state(self):
        """With an open segment and view, in a cycle, beside daemon threads, and by an exception in the block."""
        for ending in [
            "",
            "view = segment.borrow().__enter__()",
            "view = segment.borrow().__enter__()[1:]; cycle = [segment, view]; cycle.append(cycle)",
            "threading.Thread(target=lambda: list(segment.watch()), daemon=True).start()",
            "[threading.Thread(target=work, daemon=True).start() for _ in range(4)]",
            "segment.close()",
            "os._exit(0)",
        ]:
            with self.subTest(ending):
                self.finish(self.start(
                    "import threading\nsegment = sharedmem.attach('text')\nsegment.set('x' * 1000)\n"
                    f"def work():\n    while True: segment.set(segment.get()); segment.borrow().release()\n{ending}"))
                # An exit that nothing can follow leaves a file, which the next process removes.
                sharedmem.attach("text").close()
                self.check_empty()

    def test_forked_children_use_their_parents_segment(self):
        segment = self.attach()
        instance = segment.set("padre").instance
        fork = multiprocessing.get_context("fork")
        children = [fork.Process(target=work, args=(segment, number)) for number in range(8)]
        for child in children:
            child.start()
        for number, child in enumerate(children):
            child.join(LIMIT)
            self.assertEqual(child.exitcode, -signal.SIGKILL if number % 2 else 0)
        self.assertEqual((segment.version.instance, segment.version.number), (instance, 1 + 8 * 100))
        self.assertTrue(segment.get().startswith("hijo "))

    def test_view_ends_in_a_forked_child_and_not_in_its_parent(self):
        segment = self.attach()
        segment.set("padre")
        with segment.borrow() as view:
            self.assertEqual(status_of_child(lambda: is_released(view)), 0)
            self.assertEqual(bytes(view), b"padre")
            self.assertEqual(sharedmem.info("text").pins, 1)

    def test_forked_child_says_nothing_about_its_parents_borrow(self):
        self.finish(self.start("segment = sharedmem.attach('text')\nsegment.set('x')\nwith segment.borrow():\n"
                               "    if (child := os.fork()) == 0: os._exit(0)\n    os.waitpid(child, 0)"))

    def test_child_can_close_what_its_parent_has_open(self):
        segment = self.attach()
        segment.set("padre")
        with segment.borrow():
            self.assertEqual(status_of_child(lambda: segment.close() is None), 0)
            self.assertEqual(segment.get(), "padre")

    def test_threads_set_and_close(self):
        segment, failures = self.attach(), []

        def use():
            try:
                while True:
                    segment.update(lambda text: text[-100:] + "x")
                    with segment.borrow() as view:
                        bytes(view)
            except sharedmem.ClosedError:
                pass
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        segment.wait(segment.version, timeout=LIMIT)
        while not segment.is_closed:
            try:
                segment.close()
            except sharedmem.BusyError:
                pass
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual((failures, [thread.is_alive() for thread in threads]), ([], [False] * 4))


def work(segment, number):
    for turn in range(100):
        segment.set(f"hijo {number}, {turn}")
        assert segment.get().startswith("hijo ")
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)


def is_released(view):
    try:
        bytes(view)
    except ValueError:
        return True
    return False


def status_of_child(body):
    """0 if `body` returns True in a forked child."""
    child = os.fork()
    if child == 0:
        succeeds = False
        try:
            succeeds = body()
        finally:
            os._exit(0 if succeeds else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

