"""Text that is read in place: it never changes under a view, and no view outlives it."""

import sharedmem
from support import SegmentCase


class BorrowTests(SegmentCase):
    def test_text_stays_while_others_set(self):
        segment = self.attach()
        version = segment.set("antes")
        borrow = segment.borrow()
        with borrow as view:
            for number in range(100):
                segment.set(f"{number}" * 1000)
            self.assertEqual((bytes(view), view.readonly, view.format, borrow.version), (b"antes", True, "B", version))
            self.assertGreater(borrow.time_ns, 0)
        self.assertRaises(ValueError, bytes, view)
        self.assertRaises(sharedmem.BusyError, borrow.__enter__)
        borrow.release()

    def test_empty_text_is_borrowed(self):
        with self.attach().borrow() as view:
            self.assertEqual(len(view), 0)

    def test_view_is_read_only(self):
        segment = self.attach()
        segment.set("x")
        with segment.borrow() as view:
            with self.assertRaises(TypeError):
                view[0] = 0
            with self.assertRaises(TypeError):
                view.cast("c")[0] = b"y"

    def test_segment_stays_open_while_text_is_borrowed(self):
        segment = self.attach()
        segment.set("x")
        with segment.borrow() as view:
            self.assertRaises(sharedmem.BusyError, segment.close)
            self.assertEqual((bytes(view), segment.get()), (b"x", "x"))
        segment.close()

    def test_view_keeps_the_bytes_without_its_borrow_and_its_segment(self):
        segment = sharedmem.attach("text")
        segment.set("x" * 100)
        view = segment.borrow().__enter__()
        self.assertRaises(sharedmem.BusyError, segment.close)
        del segment
        self.assertEqual(sharedmem.info("text").pins, 1)
        with sharedmem.attach("text") as other:
            for number in range(100):
                other.set(f"{number}" * 50)
        self.assertEqual(bytes(view), b"x" * 100)
        del view
        self.assertEqual(sharedmem.names(), [])

    def test_slice_that_outlives_the_block_is_an_error_and_safe(self):
        segment = self.attach()
        segment.set("abc")
        with self.assertRaises(BufferError):
            with segment.borrow() as view:
                rest = view[1:]
        for number in range(100):
            segment.set(f"{number}" * 50)
        self.assertEqual(bytes(rest), b"bc")
        self.assertRaises(sharedmem.BusyError, segment.close)
        rest.release()
        self.assertEqual(sharedmem.info("text").pins, 0)
        segment.close()

    def test_error_in_the_block_comes_first(self):
        segment = self.attach()
        segment.set("abc")
        with self.assertRaises(KeyError):
            with segment.borrow() as view:
                rest = view[1:]
                raise KeyError
        rest.release()

    def test_read_only_segment_lends_a_copy(self):
        self.attach().set("copy")
        with self.attach(read_only=True).borrow() as view:
            self.assertEqual(bytes(view), b"copy")
