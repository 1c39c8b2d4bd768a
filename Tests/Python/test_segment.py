"""Every call of the package, and every error that a caller can cause."""

import copy
import datetime
import os
import pickle
import struct
import time

import sharedmem
from support import SegmentCase


class SegmentTests(SegmentCase):
    def test_sets_and_gets(self):
        segment = self.attach()
        self.assertEqual(segment.get(), "")
        for number, text in enumerate(["ñandú, 東京, 🙂", "", "x" * segment.capacity], start=1):
            version = segment.set(text)
            self.assertEqual((segment.get(), segment.version, version.number), (text, version, number))

    def test_snapshot_has_text_version_and_time(self):
        segment = self.attach()
        before = time.time_ns()
        version = segment.set("texto")
        snapshot = segment.snapshot()
        self.assertEqual((snapshot.text, snapshot.version), ("texto", version))
        self.assertTrue(before <= snapshot.time_ns <= time.time_ns())
        self.assertLess(abs(snapshot.time - datetime.datetime.now(datetime.timezone.utc)), datetime.timedelta(minutes=1))

    def test_sets_only_at_the_expected_version(self):
        segment = self.attach()
        first = segment.set("1")
        second = segment.set("2", if_version=first)
        with self.assertRaises(sharedmem.VersionMismatchError) as caught:
            segment.set("3", if_version=first)
        self.assertEqual((caught.exception.current, segment.get()), (second, "2"))

    def test_another_type_is_named(self):
        segment = self.attach()
        version = segment.set("stays")
        for wrong, words in [
                (lambda: segment.set(b"bytes"), "not bytes"), (lambda: segment.set(None), "not NoneType"),
                (lambda: segment.set("x", if_version=str(version)), "Version.parse"),
                (lambda: sharedmem.attach(3), "not int")]:
            with self.assertRaisesRegex(TypeError, words):
                wrong()
        self.assertEqual(segment.get(), "stays")

    def test_update_retries(self):
        segment, seen = self.attach(), []

        def change(old):
            seen.append(old)
            if len(seen) == 1:
                segment.set("other")
            return old + "!"

        version = segment.update(change)
        self.assertEqual((seen, segment.get(), segment.version), (["", "other"], "other!", version))

    def test_version_is_the_same_as_a_string(self):
        version = self.attach().set("1")
        self.assertEqual(str(version), f"{version.instance:016x}-1")
        self.assertEqual(sharedmem.Version.parse(str(version)), version)
        for wrong in ["", "1", f"{version}x", f"{version}\0"]:
            with self.assertRaises(sharedmem.InvalidArgumentError):
                sharedmem.Version.parse(wrong)

    def test_describes_lists_and_unlinks(self):
        self.assertEqual(sharedmem.names(), [])
        segment = self.attach("b", capacity=5000, mode=0o640, row_count=7, pin_count=9)
        self.attach("a")
        version = segment.set("ñ")
        with segment.borrow():
            info = sharedmem.info("b")
        self.assertEqual((info.capacity, info.length, info.version, info.mode), (segment.capacity, 2, version, 0o640))
        self.assertEqual((info.row_count, info.pin_count, info.pins, info.attachments), (7, 9, 1, 1))
        self.assertEqual((info.setter_process, info.setter_user, info.owner), (os.getpid(), os.getuid(), os.getuid()))
        self.assertTrue(info.setter_program and info.memory > 0 and info.rows == 1 and not info.persistent)
        self.assertLessEqual(info.created, info.changed)
        self.assertEqual(sharedmem.names(self.directory), ["a", "b"])
        sharedmem.unlink("b", directory=self.directory)
        self.assertEqual(sharedmem.names(), ["a"])
        self.assertEqual(segment.get(), "ñ")

    def test_lists_more_names_than_fit_its_first_buffer(self):
        expected = [f"{number:03}{'x' * 100}" for number in range(60)]
        segments = [sharedmem.attach(name) for name in expected]
        self.assertEqual(sharedmem.names(), expected)
        for segment in segments:
            segment.close()

    def test_persistent_segment_stays_until_unlinked(self):
        with sharedmem.attach("kept", persistent=True) as segment:
            version = segment.set("stays")
        self.assertTrue(sharedmem.info("kept").persistent)
        with sharedmem.attach("kept", create=False, read_only=True, trusted_owners=[0, 12345]) as segment:
            self.assertEqual((segment.get(), segment.version), ("stays", version))
            with segment.borrow() as view:
                self.assertEqual(bytes(view), b"stays")
        sharedmem.unlink("kept")

    def test_default_name_comes_from_the_environment(self):
        with sharedmem.attach(group=os.getgid()) as segment:
            self.assertEqual((sharedmem.names(), segment.name), (["shared"], None))
            self.assertEqual(repr(segment), "<sharedmem.Segment default>")
        self.assertEqual(repr(segment), "<sharedmem.Segment default (closed)>")

    def test_closed_segment_refuses_every_call(self):
        segment = sharedmem.attach("text")
        version = segment.version
        segment.close()
        segment.close()
        self.assertTrue(segment.is_closed)
        for call in [segment.get, segment.snapshot, segment.borrow, lambda: segment.set("x"), lambda: segment.version,
                     lambda: segment.capacity, lambda: segment.wait(version), lambda: segment.update(str)]:
            self.assertRaises(sharedmem.ClosedError, call)
        self.assertEqual(list(segment.watch()), [])

    def test_segment_without_a_reference_is_detached(self):
        sharedmem.attach("text").set("x")
        self.assertEqual(sharedmem.names(), [])

    def test_segment_is_not_copied(self):
        segment = self.attach()
        for call in [pickle.dumps, copy.copy, copy.deepcopy]:
            self.assertRaises(TypeError, call, segment)

    def test_each_mistake_has_its_error(self):
        segment, reader = self.attach(capacity=4096), self.attach(read_only=True)
        with open(f"{self.directory}/other.sharedmem", "w") as file:
            file.write("not a segment")
        self.addCleanup(os.remove, f"{self.directory}/other.sharedmem")
        version = segment.set("before")
        replica = self.attach("replica")
        with open(f"{self.directory}/replica.sharedmem", "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), struct.pack("<I", 1 << 16 | 8080), 204)  # the mark, as docs/format.md describes it
        for kind, builtin, call in [
            (sharedmem.InvalidArgumentError, ValueError, lambda: sharedmem.attach(".hidden")),
            (sharedmem.InvalidArgumentError, ValueError, lambda: sharedmem.attach("a\0b")),
            (sharedmem.InvalidArgumentError, ValueError, lambda: sharedmem.attach("a", directory="/dev/shm\0/x")),
            (sharedmem.InvalidArgumentError, ValueError, lambda: sharedmem.attach("new", capacity=-1)),
            (sharedmem.TooLongError, ValueError, lambda: segment.set("x" * 4097)),
            (sharedmem.InvalidTextError, ValueError, lambda: segment.set("a\0b")),
            (sharedmem.InvalidTextError, ValueError, lambda: segment.set("a\ud800b")),
            (sharedmem.ReadOnlyError, OSError, lambda: reader.set("x")),
            (sharedmem.ReplicatedError, OSError, lambda: replica.set("x")),
            (sharedmem.NotFoundError, FileNotFoundError, lambda: sharedmem.attach("missing", create=False)),
            (sharedmem.NotFoundError, FileNotFoundError, lambda: sharedmem.info("missing")),
            (sharedmem.NotFoundError, FileNotFoundError, lambda: sharedmem.unlink("missing")),
            (sharedmem.NotFoundError, FileNotFoundError, lambda: sharedmem.names("/no/such/directory")),
            (sharedmem.ExistsError, FileExistsError, lambda: sharedmem.attach("text", capacity=9999)),
            (sharedmem.UnusableError, OSError, lambda: sharedmem.attach("other")),
            (sharedmem.WaitTimeoutError, TimeoutError, lambda: segment.wait(segment.version, timeout=0)),
        ]:
            with self.subTest(kind.__name__), self.assertRaises(kind) as caught:
                call()
            self.assertIsInstance(caught.exception, sharedmem.Error)
            self.assertIsInstance(caught.exception, builtin)
            self.assertTrue(caught.exception.strerror)
        self.assertEqual((segment.get(), segment.version), ("before", version))

