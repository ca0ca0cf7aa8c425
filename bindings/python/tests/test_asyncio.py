"""The forms for asyncio: many at once, cancelled, in several loops and threads, and in uvloop."""

import asyncio
import gc
import os
import threading
import time

import numpy
import pytest
import required
from conftest import in_child, run_python

import r3map

FAR = 6 << 20  # an offset that a stalled server does not give


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    return required.module(request.param).run


def stall(web):
    web.stall_from = 4 << 20


async def until_asked(web):
    await asyncio.get_running_loop().run_in_executor(None, web.stalled.wait, 10)


def test_everything(run, make_file):
    url, data = make_file(16 << 20)

    async def main():
        region = await r3map.open_async(url, pull="none", chunk_size="64K")
        async with region:
            assert region.size == len(data)
            assert await region.read_async(5, 10) == data[5:15]
            assert await region.read_async() == data
            region.evict()
            assert await region.populate_async(1 << 20, 1 << 20) is None
            assert 1 << 20 <= region.stats().resident < len(data)
            with await region.pin_async(0, 4096):
                assert region.stats().pinned == 4096
            assert region.stats().pinned == 0
            region.prefetch([(8 << 20, 4096)])
            await region.wait_async()
            assert await region.read_async(8 << 20, 4096) == data[8 << 20:][:4096]
            assert await region.read_async(7, 0) == b""
        assert region.closed
        async with r3map.open_async(url) as other:
            assert not other.closed and await other.read_async(0, 4) == data[:4]
        assert other.closed
        async with await r3map.open_async(url) as third:
            assert third[:4] == data[:4]

    run(main())


def test_many_at_once(run, make_file):
    url, data = make_file(8 << 20)

    async def main():
        regions = await asyncio.gather(*(r3map.open_async(url, pull="none") for _ in range(20)))
        pieces = await asyncio.gather(
            *(region.read_async(n * 100_000, 100_000)
              for region in regions for n in range(80)))
        assert pieces == [data[n * 100_000:][:100_000] for _ in regions for n in range(80)]

    run(main())


def test_the_loop_goes_on_meanwhile(run, web):
    async def main():
        async with r3map.open_async(web.url, pull="none") as region:
            stall(web)
            task = asyncio.ensure_future(region.read_async(FAR, 100_000))
            await until_asked(web)
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert not task.done()
            web.go_on.set()
            assert await task == web.data[FAR:][:100_000]

    run(main())


def test_errors(run, web, folder):
    async def main():
        with pytest.raises(FileNotFoundError) as caught:
            await r3map.open_async(f"file://{folder}/none")
        assert caught.value.filename == f"file://{folder}/none"
        with pytest.raises(r3map.InvalidError):
            await r3map.open_async("nothing://x")
        with pytest.raises(r3map.InvalidError):
            await r3map.open_async(web.url, "r+")
        with pytest.raises(TypeError):
            r3map.open_async(5)
        async with r3map.open_async(web.url, pull="none", deadline=0.5) as region:
            stall(web)
            for call in (region.populate_async, region.read_async, region.pin_async):
                with pytest.raises(TimeoutError):
                    await call(FAR, 100_000)
                with pytest.raises(IndexError):
                    await call(0, 9 << 20)
        for call in (region.populate_async, region.read_async, region.pin_async,
                     region.wait_async, region.__aenter__):
            with pytest.raises(ValueError, match="closed"):
                await call()

    run(main())


def test_not_awaited():
    opening = r3map.open_async("memory:5")
    with pytest.raises(AttributeError, match="no 'read' yet: await it first"):
        opening.read(0, 5)
    with pytest.raises(TypeError, match="async with open_async"):
        with opening:
            pass
    assert not hasattr(opening, "size")


@pytest.mark.parametrize("call", ["populate", "read", "pin", "wait", "open"])
def test_cancel(run, web, call):
    async def main():
        async with r3map.open_async(web.url, pull="none", deadline=0) as region:
            stall(web)
            if call == "open":
                web.stall_from = 0
            region.prefetch([(FAR, 4096)] if call == "wait" else [])
            calls = {"populate": lambda: region.populate_async(FAR, 1 << 20),
                     "read": lambda: region.read_async(FAR, 1 << 20),
                     "pin": lambda: region.pin_async(FAR, 4096), "wait": region.wait_async,
                     "open": lambda: asyncio.wait_for(r3map.open_async(web.url), 100)}
            task = asyncio.ensure_future(calls[call]())
            await until_asked(web)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            gc.collect()
            web.go_on.set()
            assert await region.read_async(FAR, 1 << 20) == web.data[FAR:][:1 << 20]
            for _ in range(500):  # a pin that came to pass is taken back
                if region.stats().pinned == 0:
                    break
                await asyncio.sleep(0.01)
            assert region.stats().pinned == 0

    run(main())


def test_cancelled_when_it_has_just_ended(make_file):
    """The completion is there, the task has not run since: what was opened must not be lost."""
    url, _ = make_file(4096)

    async def main():
        for _ in range(20):
            task = asyncio.ensure_future(r3map.open_async(url).__aenter__())
            await asyncio.sleep(0)
            time.sleep(0.01)  # the loop finds the completion, and then the cancellation
            asyncio.get_running_loop().call_soon(task.cancel)
            try:
                (await task).close()
            except asyncio.CancelledError:
                pass

    before = regions_mapped()
    asyncio.run(main())
    asyncio.run(settle())
    assert regions_mapped() <= before + 1


def regions_mapped():
    """How many userfaultfds are open: one a region."""
    gc.collect()
    links = []
    for name in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
    return sum("userfaultfd" in link for link in links)


async def settle():
    async with r3map.open_async("memory:1"):
        await asyncio.sleep(0.1)


def test_the_loop_closes_with_operations_under_way(web):
    tasks = []

    async def main():
        region = await r3map.open_async(web.url, pull="none", deadline=0)
        stall(web)
        for call in (region.populate_async, region.read_async, region.pin_async):
            tasks.append(asyncio.ensure_future(call(FAR, 1 << 20)))
        web_open = r3map.open_async(web.url, pull="all").__aenter__()
        tasks.append(asyncio.ensure_future(web_open))
        await until_asked(web)
        return region

    loop = asyncio.new_event_loop()
    region = loop.run_until_complete(main())
    loop.close()
    for task in tasks:  # they never end
        task._log_destroy_pending = False
    tasks.clear()
    gc.collect()
    web.go_on.set()
    # Another loop takes what the first one left.
    deadline = time.monotonic() + 30
    while region.stats().pinned and time.monotonic() < deadline:
        asyncio.run(settle())
    assert region.stats().pinned == 0
    assert region[FAR] == web.data[FAR]
    region.close()


def test_the_process_ends_with_operations_under_way(web):
    stall(web)
    web.stall_from = 4 << 20
    result = run_python("""
        import asyncio, sys, r3map

        async def main():
            region = await r3map.open_async(sys.argv[1], pull="none", deadline=0)
            tasks = [asyncio.ensure_future(region.read_async(6 << 20, n)) for n in (9, 1 << 20)]
            await asyncio.sleep(0.3)
            print("ends")

        asyncio.run(main())
        """, web.url)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "ends", "")


def test_loops_in_threads(run, make_file):
    url, data = make_file(8 << 20)
    results = []

    async def main(seed):
        random = numpy.random.default_rng(seed)
        async with r3map.open_async(url, pull="none", chunk_size="16K") as region:
            starts = [int(n) for n in random.integers(0, 7 << 20, 50)]
            pieces = await asyncio.gather(*(region.read_async(n, 70_000) for n in starts))
            return pieces == [data[n:n + 70_000] for n in starts]

    def work(seed):
        for turn in range(3):
            results.append(run(main(seed + turn)))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 12


def test_one_region_in_two_loops(make_file):
    url, data = make_file(8 << 20)
    region = asyncio.run(open_it(url))
    assert asyncio.run(region.read_async()) == data
    region.close()


async def open_it(url):
    return await r3map.open_async(url)


def test_loops_leave_nothing_behind(make_file):
    url, data = make_file(1 << 20)

    async def main():
        async with r3map.open_async(url) as region:
            return await region.read_async()

    assert asyncio.run(main()) == data
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(30):
        assert asyncio.run(main()) == data
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_fork(make_file):
    url, data = make_file(1 << 20)

    async def main():
        async with r3map.open_async(url) as region:
            def child():
                async def own():
                    with pytest.raises(r3map.ForkedError):
                        await region.read_async(0, 100_000)
                    async with r3map.open_async(url) as mine:
                        return await mine.read_async()

                asyncio.set_event_loop(None)
                asyncio._set_running_loop(None)
                loop = asyncio.new_event_loop()
                assert loop.run_until_complete(own()) == data

            assert in_child(child) == 0
            assert await region.read_async(0, 100_000) == data[:100_000]

    asyncio.run(main())


def test_larger_than_the_budget(make_file):
    url, data = make_file(12 << 20)

    async def main():
        async with r3map.open_async(url, budget="2M") as region:
            assert await region.read_async() == data
            with pytest.raises(MemoryError):
                await region.populate_async()

    asyncio.run(main())


