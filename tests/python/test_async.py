# SPDX-License-Identifier: LGPL-2.1-or-later
"""`async for`: no thread, no polling, no lost frame, and nothing left in the event loop."""

import asyncio
import contextvars
import gc
import threading
import time

import pytest
import shmring
from conftest import attach, pattern

IMAGE = pattern(6, 8)


@pytest.fixture
def publisher(path):
    with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
        yield publisher


def watched():
    """Number of descriptors that the event loop watches, beside its own."""
    return len(asyncio.get_running_loop()._selector.get_map()) - 1


def test_frames_come_as_they_are_published_until_the_end(path, publisher):
    async def main():
        async def publish():
            for _ in range(20):
                await asyncio.sleep(0.005)
                publisher.publish(IMAGE)
            publisher.end()

        with shmring.Reader(path) as reader:
            attach(reader)
            task = asyncio.create_task(publish())
            seen = [frame.sequence async for frame in reader]
            await task
            assert seen == list(range(1, 21))
            assert watched() == 0

    asyncio.run(main())


def test_a_second_loop_after_the_end_waits_for_the_next_stream_and_ends_again_without_spinning(path):
    async def main():
        rounds = asyncio.Event()

        async def other_tasks_run():
            while not rounds.is_set():
                await asyncio.sleep(0.01)

        other = asyncio.create_task(other_tasks_run())
        with shmring.Reader(path) as reader:
            for _ in range(2):
                with shmring.Publisher(path, format="GRAY8", width=8, height=6) as publisher:
                    while not reader.connected:
                        assert reader.read(0.01) is None
                    publisher.publish(IMAGE)
                    publisher.end()
                    assert [frame.sequence async for frame in reader] == [1]
                    began = time.monotonic()
                    for _ in range(2):
                        assert [frame async for frame in reader] == []
                    assert time.monotonic() - began >= 0.9  # each waited for a next stream
            assert watched() == 0
        rounds.set()
        await other

    asyncio.run(main())


def test_a_loop_that_waits_after_the_end_goes_on_with_the_next_stream(path, publisher):
    async def main():
        with shmring.Reader(path) as reader:
            attach(reader)
            publisher.end()
            assert [frame async for frame in reader] == []
            frames = aiter(reader)
            waiting = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0.05)
            publisher.publish(IMAGE)
            assert (await waiting).sequence == 1

    asyncio.run(main())


def test_the_loop_may_begin_before_there_is_a_publisher_and_outlives_its_restart(path, publisher_process):
    async def main():
        with shmring.Reader(path) as reader:
            frames = aiter(reader)
            for _ in range(2):
                waiting = asyncio.ensure_future(anext(frames))
                await asyncio.sleep(0.05)
                child = await asyncio.to_thread(publisher_process)
                while not reader.connected or reader.stats()["publisher_pid"] != child.pid:
                    await asyncio.sleep(0.01)
                child.say()
                assert (await waiting).sequence == 1
                child.kill()

    asyncio.run(main())


def test_other_tasks_run_while_frames_wait_and_while_they_do_not(path, publisher):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        with shmring.Reader(path) as reader:
            attach(reader)
            ticking = asyncio.create_task(tick())
            count = 0
            publisher.publish(IMAGE)
            async for _ in reader:
                publisher.publish(IMAGE)  # there is always one ready
                count += 1
                if count == 100:
                    break
            ticking.cancel()
            assert ticks >= 50

    asyncio.run(main())


def test_a_cancelled_wait_loses_no_frame_and_the_iterator_goes_on(path, publisher):
    async def main():
        with shmring.Reader(path) as reader:
            attach(reader)
            frames = aiter(reader)
            seen = []
            for number in range(1, 30):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(frames), 0.002)
                waiting = asyncio.ensure_future(anext(frames))
                await asyncio.sleep(0)
                publisher.publish(IMAGE)
                if number % 2:
                    await asyncio.sleep(0)
                    waiting.cancel()
                try:
                    seen.append((await waiting).sequence)
                except asyncio.CancelledError:
                    seen.append((await anext(frames)).sequence)
            assert seen == list(range(1, 30))

    asyncio.run(main())


def test_a_frame_wakes_its_task_at_once_which_is_a_task_like_any_other(path, publisher):
    """The callback that takes the frame goes on with the task; nothing that was to come later comes before."""
    mine = contextvars.ContextVar("mine")

    async def main():
        with shmring.Reader(path) as reader:
            attach(reader)
            order = []

            async def work():
                mine.set("worker")
                async for frame in reader:
                    order.append(frame.sequence)
                    assert mine.get() == "worker" and asyncio.current_task() is task
                    if frame.sequence == 2:
                        raise ValueError("of the worker alone")

            task = asyncio.create_task(work())
            await asyncio.sleep(0.02)
            mine.set("main")
            for number in 1, 2:
                publisher.publish(IMAGE)
                asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(order.append, "later"))
                await asyncio.sleep(0.02)
            assert order == [1, "later", 2, "later"]
            with pytest.raises(ValueError, match="of the worker alone"):
                await task
            assert mine.get() == "main" and asyncio.current_task() is not None
            task = None
            gc.collect()
            assert watched() == 0

    asyncio.run(main())


def test_close_ends_the_loop_of_another_task(path, publisher):
    async def main():
        reader = attach(shmring.Reader(path))

        async def work():
            return [frame.sequence async for frame in reader]

        task = asyncio.create_task(work())
        await asyncio.sleep(0.02)
        publisher.publish(IMAGE)
        await asyncio.sleep(0.02)
        reader.close()
        assert await task == [1]
        assert watched() == 0

    asyncio.run(main())


def test_an_error_reaches_the_caller(path, publisher_process):
    async def main():
        child = await asyncio.to_thread(publisher_process)
        with shmring.Reader(path, reconnect=False) as reader:
            attach(reader)
            waiting = asyncio.ensure_future(anext(aiter(reader)))
            await asyncio.sleep(0.02)
            child.kill()
            with pytest.raises(shmring.Disconnected):
                await waiting

    asyncio.run(main())


def test_a_loop_that_is_left_watches_nothing_and_its_descriptor_can_be_used_again(path, publisher):
    async def main():
        for _ in range(5):
            with shmring.Reader(path) as reader:
                attach(reader)
                publisher.publish(IMAGE)
                async for frame in reader:
                    break
                gc.collect()
                assert watched() == 0
                waiting = asyncio.ensure_future(anext(aiter(reader)))
                await asyncio.sleep(0.01)
                assert watched() == 1
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            del waiting
            gc.collect()
            assert watched() == 0

    asyncio.run(main())


def test_two_readers_in_one_event_loop(tmp_path):
    async def main():
        paths = [tmp_path / "a.sock", tmp_path / "b.sock"]
        publishers = [shmring.Publisher(path, format="GRAY8", width=8, height=6, depth=20) for path in paths]

        async def work(path):
            with shmring.Reader(path) as reader:
                attach(reader)
                return [frame.sequence async for frame in reader]

        tasks = [asyncio.create_task(work(path)) for path in paths]
        await asyncio.sleep(0.05)
        for _ in range(10):
            for publisher in publishers:
                publisher.publish(IMAGE)
            await asyncio.sleep(0.002)
        for publisher in publishers:
            publisher.end()
        assert await asyncio.gather(*tasks) == [list(range(1, 11))] * 2
        for publisher in publishers:
            publisher.close()

    asyncio.run(main())


def test_tasks_that_wait_in_one_iterator_or_in_several_are_all_served(path):
    async def main():
        options = {"format": "GRAY8", "width": 8, "height": 6, "max_held": 8}  # each task keeps its last frame while it waits
        with shmring.Publisher(path, **options) as publisher, shmring.Reader(path) as reader:
            attach(reader)
            shared = aiter(reader)

            async def work(frames, seen):
                async for frame in frames:
                    seen.append(frame.sequence)

            seen = [[] for _ in range(5)]
            tasks = [asyncio.create_task(work(shared if number < 3 else reader, seen[number])) for number in range(5)]
            await asyncio.sleep(0.01)
            for number in range(1, 101):
                publisher.publish(IMAGE)
                while sum(map(len, seen)) < number:
                    await asyncio.sleep(0)
            publisher.end()
            await asyncio.gather(*tasks)
            assert sorted(sum(seen, [])) == list(range(1, 101))
            assert all(seen)
            del shared, tasks
            gc.collect()
            assert watched() == 0

    asyncio.run(main())


def test_several_waits_at_once_get_a_frame_each_in_their_order(path, publisher):
    async def main():
        with shmring.Reader(path) as reader:
            attach(reader)
            frames = aiter(reader)
            waiting = [asyncio.ensure_future(anext(frames)) for _ in range(4)]
            await asyncio.sleep(0)
            waiting[1].cancel()
            for _ in range(3):
                publisher.publish(IMAGE)
            assert [(await waiting[number]).sequence for number in (0, 2, 3)] == [1, 2, 3]
            with pytest.raises(asyncio.CancelledError):
                await waiting[1]

    asyncio.run(main())


def test_an_iterator_goes_on_in_a_new_event_loop_when_its_old_one_was_closed(path, publisher):
    with shmring.Reader(path) as reader:
        attach(reader)
        frames = aiter(reader)

        async def one():
            waiting = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0.01)
            publisher.publish(IMAGE)
            return (await waiting).sequence

        assert [asyncio.run(one()) for _ in range(3)] == [1, 2, 3]

        loop = asyncio.new_event_loop()  # closed with a task that still waits, as notebooks do
        task = loop.create_task(anext(aiter(reader)))
        task._log_destroy_pending = False
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()
        assert asyncio.run(one()) == 4


def test_close_in_another_thread_ends_a_loop_that_waits(path, publisher):
    async def main():
        reader = attach(shmring.Reader(path))
        closing = threading.Timer(0.05, reader.close)
        closing.start()
        assert [frame async for frame in reader] == []
        closing.join()
        await asyncio.sleep(0)  # the thread may only ask the loop to watch no more
        assert watched() == 0

    asyncio.run(main())


def test_a_loop_within_a_loop_gets_its_frames(path, publisher):
    """As nest_asyncio does for notebooks: a task of Python's own runs the event loop until another one is done."""
    code = """
        import asyncio, sys, threading, time
        import shmring
        asyncio.Task = asyncio.tasks.Task = asyncio.tasks._PyTask
        reader = shmring.Reader(sys.argv[1])

        async def inner():
            frames = aiter(reader)
            return [(await anext(frames)).sequence for _ in range(3)]

        async def outer():
            loop = asyncio.get_running_loop()
            task = loop.create_task(inner())
            current = asyncio.tasks._current_tasks
            while not task.done():
                mine = current.pop(loop, None)
                loop._run_once()
                if mine is not None:
                    current[loop] = mine
            return task.result()

        asyncio.tasks._enter_task, asyncio.tasks._leave_task = asyncio.tasks._py_enter_task, asyncio.tasks._py_leave_task
        asyncio.tasks._current_tasks = {}
        print(asyncio.run(outer()))
    """
    import subprocess
    import sys
    import textwrap

    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while publisher.stats()["readers"] == 0:
        time.sleep(0.01)
    for _ in range(3):
        publisher.publish(IMAGE)
    said, wrong = child.communicate()
    assert (said, wrong, child.returncode) == ("[1, 2, 3]\n", "", 0)


def test_a_reader_with_nothing_to_give_leaves_the_event_loop_idle(path, publisher):
    async def main():
        with shmring.Reader(path) as reader, shmring.Reader(path + ".none") as lonely:
            attach(reader)
            tasks = [asyncio.ensure_future(anext(aiter(reader))) for reader in (reader, reader, lonely)]
            await asyncio.sleep(0.05)
            loop, calls = asyncio.get_running_loop(), 0
            run_once = loop._run_once

            def counted():
                nonlocal calls
                calls += 1
                run_once()

            loop._run_once = counted
            publisher.publish(IMAGE)
            await asyncio.sleep(1)
            assert calls < 200  # a descriptor that stays readable makes tens of thousands
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    asyncio.run(main())


def test_tasks_keep_to_the_rate_of_their_reader_and_do_not_spin_meanwhile(path, publisher):
    async def main():
        rounds = 0

        async def publish():
            while True:
                publisher.publish(IMAGE)
                await asyncio.sleep(0.002)

        async def take():
            async for _ in reader:
                return

        select = asyncio.get_running_loop()._selector.select

        def count(timeout):
            nonlocal rounds
            rounds += 1
            return select(timeout)

        with shmring.Reader(path, "latest", max_rate=10) as reader:
            attach(reader)
            publishing = asyncio.create_task(publish())
            start = time.monotonic()
            await asyncio.gather(*(take() for _ in range(4)))
            assert time.monotonic() - start >= 0.3
            publishing.cancel()
            asyncio.get_running_loop()._selector.select = count
            publisher.publish(IMAGE)
            await take()
        assert rounds < 50

    asyncio.run(main())
