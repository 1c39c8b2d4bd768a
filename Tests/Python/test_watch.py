"""Following the text, in a thread and in event loops."""

import asyncio
import os
import signal
import threading
import time

import sharedmem
from support import LIMIT, SegmentCase


class WatchTests(SegmentCase):
    def test_iterates_over_the_current_text_and_later_ones(self):
        segment = self.attach()
        segment.set("first")
        watch = segment.watch()
        self.assertEqual(next(watch).text, "first")
        version = segment.set("second")
        segment.set("third")
        self.assertEqual(next(watch).text, "third")
        self.assertEqual(next(segment.watch(after=version)).text, "third")

    def test_follows_another_process(self):
        segment = self.attach()
        process = self.start("with sharedmem.attach('text') as segment:\n    for number in range(1000):\n"
                             "        segment.set(f'{number}')\n    sys.stdin.read()")
        numbers = []
        for snapshot in segment.watch(after=segment.version):
            numbers.append(snapshot.version.number)
            if snapshot.text == "999":
                break
        self.assertEqual((numbers, numbers[-1]), (sorted(set(numbers)), 1000))
        self.finish(process)

    def test_wait_gives_up_in_time_and_not_before(self):
        segment = self.attach()
        for timeout in [0, 0.02, 1.1]:
            begin = time.monotonic()
            self.assertRaises(sharedmem.WaitTimeoutError, segment.wait, segment.version, timeout)
            self.assertGreaterEqual(time.monotonic() - begin, timeout)

    def test_close_ends_the_watches_of_other_threads(self):
        segment, results, started = self.attach(), [], threading.Barrier(5)

        def follow():
            started.wait(LIMIT)
            results.append([snapshot.text for snapshot in segment.watch(after=segment_version)])

        segment_version = segment.version
        threads = [threading.Thread(target=follow, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        started.wait(LIMIT)
        # They most likely wait by the end of this one, and must end in any case.
        self.assertRaises(sharedmem.WaitTimeoutError, segment.wait, segment_version, 0.05)
        segment.close()
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(results, [[]] * 4)

    def test_unlinking_is_an_error(self):
        segment = self.attach()
        watch = segment.watch(after=segment.version)
        sharedmem.unlink("text")
        self.assertRaises(sharedmem.UnlinkedError, next, watch)
        self.assertRaises(sharedmem.UnlinkedError, asyncio.run, next_of(segment.watch(after=segment.version)))

    def test_signal_handler_runs_while_a_thread_waits(self):
        segment = self.attach()
        segment.set("before")
        signal.signal(signal.SIGUSR1, lambda *_: segment.set("by the handler"))
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.SIG_DFL)
        watch = segment.watch(after=segment.version)
        process = self.start("import signal, time\nwhile True:\n    os.kill(int(sys.argv[1]), signal.SIGUSR1)\n"
                             "    time.sleep(0.2)", str(os.getpid()))
        self.assertEqual(next(watch).text, "by the handler")
        process.kill()
        process.wait(LIMIT)


class EventLoopTests(SegmentCase):
    def test_every_task_of_every_loop_sees_the_last_text(self):
        """The iterators share one descriptor, and none may take another one's events."""
        segment, texts, started = self.attach(), [], threading.Barrier(4)

        async def follow():
            async for snapshot in segment.watch():
                if snapshot.text == "last":
                    texts.append(snapshot.text)
                    return

        async def follow_often():
            tasks = [asyncio.create_task(follow()) for _ in range(10)]
            await asyncio.sleep(0)
            started.wait(LIMIT)
            await asyncio.wait_for(asyncio.gather(*tasks), LIMIT)

        threads = [threading.Thread(target=asyncio.run, args=(follow_often(),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        started.wait(LIMIT)
        for number in range(200):
            segment.set(f"{number}")
        segment.set("last")
        for thread in threads:
            thread.join(LIMIT)
        self.assertEqual(texts, ["last"] * 30)

    def test_other_tasks_run_while_a_task_sleeps(self):
        segment, looks = self.attach(), []
        wait = segment.wait
        segment.wait = lambda *arguments, **options: looks.append(arguments) or wait(*arguments, **options)

        async def main():
            following = asyncio.create_task(next_of(segment.watch(after=segment.version)))
            await asyncio.sleep(0.01)
            self.assertFalse(following.done())
            segment.set("x")
            return await asyncio.wait_for(following, LIMIT)

        self.assertEqual(asyncio.run(main()).text, "x")
        self.assertLess(len(looks), 5, "the iterator looks again and again")

    def test_cancelled_watch_can_go_on(self):
        segment = self.attach()

        async def main():
            watch = segment.watch(after=segment.version)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(next_of(watch), 0.01)
            segment.set("x")
            return await asyncio.wait_for(next_of(watch), LIMIT)

        self.assertEqual(asyncio.run(main()).text, "x")

    def test_close_ends_the_watch_of_a_loop(self):
        segment = self.attach()

        async def main():
            following = asyncio.create_task(all_of(segment.watch(after=segment.version)))
            await asyncio.sleep(0.01)
            await asyncio.to_thread(segment.close)
            return await asyncio.wait_for(following, LIMIT)

        self.assertEqual(asyncio.run(main()), [])


async def next_of(watch):
    return await watch.__anext__()


async def all_of(watch):
    return [snapshot async for snapshot in watch]
