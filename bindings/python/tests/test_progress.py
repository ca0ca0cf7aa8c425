"""`progress=`: bars as tqdm's, functions, and what they raise."""

import asyncio
import threading

import pytest
import tqdm
from conftest import interrupted

import r3map

SIZE = 24 << 20


@pytest.fixture
def region(make_file):
    with r3map.open(make_file(SIZE)[0], pull="none") as region:
        yield region


class Bar:
    total = None

    def __init__(self):
        self.steps, self.threads = [], set()

    def update(self, n):
        self.steps.append(n)
        self.threads.add(threading.current_thread())


CALLS = {
    "populate": lambda region, progress, folder: region.populate(progress=progress),
    "read": lambda region, progress, folder: region.read(progress=progress),
    "copy": lambda region, progress, folder: r3map.copy(
        region.url, folder / "copy", progress=progress),
    "open": lambda region, progress, folder: r3map.open(
        region.url, pull="all", progress=progress).close(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
class TestEach:
    def test_bar(self, region, folder, call):
        bar = Bar()
        call(region, bar, folder)
        assert bar.total == sum(bar.steps) == SIZE and min(bar.steps) > 0
        assert bar.threads == {threading.current_thread()}  # none of r3map's

    def test_tqdm(self, region, folder, call):
        with tqdm.tqdm(disable=None, unit="B") as bar:
            bar.total = None
            call(region, bar, folder)
            assert bar.total == SIZE

    def test_function(self, region, folder, call):
        told = []
        call(region, lambda done, total: told.append((done, total)), folder)
        assert told[-1] == (SIZE, SIZE) and told == sorted(told)

    def test_what_it_raises_ends_the_call(self, region, folder, call):
        for error in (RuntimeError("enough"), KeyboardInterrupt()):
            def stop(done, total, error=error):
                raise error

            with pytest.raises(type(error)):
                call(region, stop, folder)
            assert not list(folder.glob("*copy*"))
        region.populate()  # it goes on
        assert region.stats().pinned == 0

    def test_what_it_can_not_be(self, region, folder, call):
        for wrong in (5, "bar", tqdm.tqdm):
            with pytest.raises(TypeError, match="progress"):
                call(region, wrong, folder)


def test_of_a_part(region):
    bar = Bar()
    bar.total = 77  # its owner's
    region.populate(100, 5 << 20, progress=bar)
    assert sum(bar.steps) == 5 << 20 and bar.total == 77
    told = []
    region.populate(0, 0, progress=lambda *now: told.append(now))
    assert region.read(5, 7, progress=lambda *now: told.append(now)) and told == [(7, 7)]


def test_advances(web):
    """What is there is told while the rest is not."""
    told = []

    def tell(done, total):
        told.append(done)
        if done >= 2 << 20:
            web.go_on.set()

    with r3map.open(web.url, pull="none", deadline=60) as region:
        region.populate(0, 4 << 20)
        web.stall_from = 4 << 20
        region.populate(progress=tell)
    assert len(told) > 1 and told[-1] == 8 << 20


def test_async(make_file):
    async def main():
        told, bar = [], Bar()
        async with r3map.open_async(make_file(SIZE)[0], pull="none") as region:
            await region.populate_async(100, 5 << 20, progress=bar)
            assert bar.total == sum(bar.steps) == 5 << 20
            assert bar.threads == {threading.current_thread()}
            await region.populate_async(0, 0, progress=lambda *now: told.append(now))
            assert not told
            region.prefetch([(8 << 20, 4 << 20)])
            await region.wait_async(progress=lambda *now: told.append(now))
            assert told[-1][1] is None and told[-1][0] <= 5 << 20
            for call in (region.populate_async, region.wait_async):
                with pytest.raises(TypeError, match="progress"):
                    await call(progress=5)

    asyncio.run(main())


@pytest.mark.parametrize("wait", [False, True])
def test_async_advances(web, wait):
    """What is there is told while the rest is not; what `progress` raises ends the wait."""
    async def main():
        told = []

        def tell(done, total):
            told.append(done)
            if len(told) == 3:
                raise RuntimeError("enough")

        async with r3map.open_async(web.url, pull="none", deadline=0) as region:
            if not wait:
                region.populate(0, 2 << 20)
            web.stall_from = 4 << 20
            if wait:
                region.prefetch([(0, 8 << 20)])
            call = region.wait_async if wait else region.populate_async
            with pytest.raises(RuntimeError, match="enough"):
                await call(progress=tell)
            assert len(told) == 3 and told == sorted(told) and (wait or 2 << 20 <= told[0])
            assert told[-1] < 8 << 20
            web.go_on.set()
            told.clear()
            await region.populate_async(progress=lambda done, total: told.append((done, total)))
            assert told[-1] == (8 << 20, 8 << 20)

    asyncio.run(main())


def test_wait(region):
    told = []
    region.prefetch([(0, 4 << 20), (10 << 20, 1 << 20)])
    region.wait(progress=lambda *now: told.append(now))
    assert told[-1][1] is None and told[-1][0] <= 6 << 20


def test_ctrl_c(web):
    web.stall_from = 4 << 20
    for call in (lambda: r3map.open(web.url, pull="all", deadline=0, progress=Bar()),
                 lambda: r3map.open(web.url, pull="none", deadline=0).populate(progress=Bar())):
        with interrupted():
            call()


def test_more_than_the_budget(make_file):
    url, _ = make_file(SIZE)
    told = []
    with r3map.open(url, budget="8M", pull="none") as region:
        with pytest.raises(r3map.MemoryLimitError):
            region.populate(progress=lambda *now: told.append(now))
        assert region.stats().fetched <= 1 << 20 and not told
        region.read(progress=lambda *now: told.append(now))
        assert told[-1] == (SIZE, SIZE)


def test_pull_of_more_than_the_budget(make_file):
    url, _ = make_file(SIZE)
    bar = Bar()
    with r3map.open(url, budget="8M", pull="all", progress=bar) as region:
        assert region.stats().resident <= 8 << 20
    assert bar.total <= 8 << 20


def test_only_where_something_is_waited_for(make_file):
    with pytest.raises(r3map.InvalidError, match="pull='all'"):
        r3map.open(make_file(100)[0], progress=Bar())
