"""Never run: mypy --strict and pyright read it, as they read a user's program."""

import asyncio
import zipfile
from pathlib import Path
from typing import Any, assert_type

import numpy
import numpy.typing

import r3map


class Bar:
    """With tqdm's types."""

    total: float | None

    def update(self, n: float | None = 1) -> bool | None: ...


def regions() -> None:
    with r3map.open(
        "s3://bucket/key",
        "r",
        storage_options={"endpoint_url": "http://x", "anon": True, "client_kwargs": {"a": "b"}},
        pull="all",
        priority=[(0, 4096)],
        pull_order=Path("trace"),
        trace="trace",
        chunk_size="1M",
        budget=1 << 30,
        fetch_limits=(8, "1M"),
        deadline=0.5,
        progress=Bar(),
    ) as region:
        assert_type(region, r3map.Region)
        assert_type(region.array(numpy.float32, (-1, 8)), numpy.typing.NDArray[Any])
        assert_type(region.read(0, 10, progress=lambda done, total: print(done, total)), bytes)
        assert_type(region.readinto(bytearray(5), 1), int)
        assert_type(region.size + len(region) + region.nbytes, int)
        assert_type(region.version + region.url, str)
        assert_type(region.error, r3map.Error | None)
        assert_type(region.stats(), r3map.Stats)
        assert_type(region.stats().resident, int)
        assert_type(region.stats_text("prometheus"), str)
        assert_type(region.residency(80), numpy.typing.NDArray[numpy.uint8])
        with region.file("64K") as file:
            assert_type(file.read(10), bytes)
            assert_type(file.region, r3map.Region)
        numpy.load(region.file())
        zipfile.ZipFile(region.file())
        region.populate(0, None, progress=Bar())
        region.prefetch(numpy.zeros((5, 2), numpy.int64))
        region.wait()
        region.evict()
        with region.pin(0, 5) as pin:
            assert_type(pin, r3map.Pin)
        memoryview(region)
        numpy.frombuffer(memoryview(region), numpy.uint8)


def objects() -> None:
    info = r3map.info(Path("x"), storage_options=None, deadline=None)
    assert_type(info, r3map.Info)
    assert_type(info.size, int)
    assert_type(r3map.cat("x", 0, -5), bytes)
    assert_type(r3map.copy("x", "y", progress=print), r3map.Info)
    assert_type(r3map.stats_text(), str)


async def asynchronous() -> None:
    async with r3map.open_async("x", pull="none", budget="1G") as region:
        assert_type(region, r3map.Region)
        assert_type(await region.read_async(0, 5), bytes)
        assert_type(await region.pin_async(), r3map.Pin)
        await asyncio.gather(region.populate_async(0, 1), region.wait_async())
        await region.populate_async(progress=lambda done, total: None)
    assert_type(await r3map.open_async("x"), r3map.Region)


def errors(error: r3map.Error) -> tuple[int, str | None]:
    if isinstance(error, r3map.StaleError):
        assert_type(error.message, str)
    return error.code, error.url


# What must not pass: each of these is an error, or the "ignore" would be one.
r3map.open("x", pull="some")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
r3map.open(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
r3map.open("x", deadline="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
r3map.open_async("x", budgt=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
