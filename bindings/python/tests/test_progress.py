"""`progress=`: bars as tqdm's, functions, and what they raise."""

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
