"""Ranges that are not what was asked, or not labelled as what they are."""

from .answers import PIECE, Reply, good, size_of
from .registry import scenario, variant
from .wire import content


@scenario("no-ranges")
async def no_ranges(c, request, reply):
    """200 with everything, whatever range is asked."""
    await good(request, ranges=False).send(c)

variant("no-ranges-later", no_ranges, "200 with everything, from the second request on.", after=1)
variant("no-ranges-sometimes", no_ranges, "200 with everything, to every second request.", every=2)


@scenario("wrong-content-range")
async def wrong_content_range(c, request, reply):
    """Another range than asked, honestly labelled: shifted by by= (1) bytes; same ETag."""
    if reply.status == 206:
        by, size = request.number("by", 1), size_of(request)
        reply.start += by
        last = reply.start + reply.length - 1
        reply.headers["Content-Range"] = f"bytes {reply.start}-{last}/{size}"
    await reply.send(c)

variant("wrong-content-range-later", wrong_content_range, "So from the second request on.",
        after=1, by=-1)
variant("wrong-content-range-sometimes", wrong_content_range, "So to every second request.",
        every=2)


@scenario("shorter-range")
async def shorter_range(c, request, reply):
    """The first half of the range, honestly labelled, as a server may (RFC 9110, 15.3.7)."""
    if reply.status == 206 and reply.length > 1:
        reply.length //= 2
        last = reply.start + reply.length - 1
        reply.headers |= {"Content-Length": str(reply.length),
                          "Content-Range": f"bytes {reply.start}-{last}/{size_of(request)}"}
    await reply.send(c)

variant("shorter-range-later", shorter_range, "So from the second request on.", after=1)


@scenario("longer-range")
async def longer_range(c, request, reply):
    """100 bytes more than the range, honestly labelled."""
    if reply.status == 206:
        reply.length = min(reply.length + 100, size_of(request) - reply.start)
        last = reply.start + reply.length - 1
        reply.headers |= {"Content-Length": str(reply.length),
                          "Content-Range": f"bytes {reply.start}-{last}/{size_of(request)}"}
    await reply.send(c)


@scenario("first-bytes-always", after=1)
async def first_bytes_always(c, request, reply):
    """The object's first bytes, labelled so, whatever range is asked."""
    if reply.status == 206:
        reply.start = 0
        reply.headers["Content-Range"] = f"bytes 0-{reply.length - 1}/{size_of(request)}"
    await reply.send(c)


@scenario("content-range")
async def content_range(c, request, reply):
    """Content-Range is value=, or missing; the data is right."""
    if reply.status == 206:
        reply.headers["Content-Range"] = request.text("value", None)
    await reply.send(c)

variant("no-content-range-later", content_range, "206 without Content-Range, from the second on.",
        after=1)
variant("content-range-garbage", content_range, "A Content-Range that is none.", after=1,
        value="bytes one-two/three")
variant("content-range-unsatisfied", content_range, "206 with `bytes */N`.", after=1,
        value="bytes */1048576")
variant("content-range-backward", content_range, "A Content-Range that ends before it begins.",
        after=1, value="bytes 9-3/1048576")
variant("content-range-huge", content_range, "Numbers beyond 64 bits.", after=1,
        value=f"bytes {10**30}-{10**30 + 5}/{10**31}")
variant("content-range-other-unit", content_range, "A range of lines.", after=1,
        value="lines 0-9/1048576")


@scenario("content-range-twice")
async def content_range_twice(c, request, reply):
    """Two different Content-Ranges in one answer."""
    reply.lines.append("Content-Range: bytes 0-9/10")
    await reply.send(c)


async def with_total(c, request, reply, total):
    if reply.status == 206:
        span = reply.headers["Content-Range"].rpartition("/")[0]
        reply.headers["Content-Range"] = f"{span}/{total}"
    await reply.send(c)


@scenario("wrong-total-in-content-range", after=1)
async def wrong_total(c, request, reply):
    """The total shrinks to total= (half) from request after+1 (2) on; same ETag."""
    await with_total(c, request, reply, request.number("total", size_of(request) // 2))

variant("total-impossible", wrong_total, "A total smaller than the range itself.", total=5)


@scenario("total-unknown")
async def total_unknown(c, request, reply):
    """The total in Content-Range is `*`."""
    await with_total(c, request, reply, "*")

variant("total-unknown-later", total_unknown, "So from the second request on.", after=1)


@scenario("total-huge")
async def total_huge(c, request, reply):
    """The total is 2^63 bytes."""
    await with_total(c, request, reply, 1 << 63)


@scenario("partial-as-200")
async def partial_as_200(c, request, reply):
    """200 without Content-Range, but only the asked bytes."""
    if reply.status == 206:
        reply.status = 200
        del reply.headers["Content-Range"]
    await reply.send(c)

variant("partial-as-200-later", partial_as_200, "So from the second request on.", after=1)


@scenario("multipart")
async def multipart(c, request, reply):
    """206 as multipart/byteranges, which no one asked for."""
    if reply.status == 206:
        part = f"--r3map\r\nContent-Range: {reply.headers.pop('Content-Range')}\r\n\r\n".encode()
        data = b"".join(content(o, min(PIECE, reply.start + reply.length - o))
                        for o in range(reply.start, reply.start + reply.length, PIECE))
        reply = Reply(206, {"Content-Type": "multipart/byteranges; boundary=r3map",
                            "ETag": reply.headers.get("ETag")},
                      body=part + data + b"\r\n--r3map--\r\n")
    await reply.send(c)

variant("multipart-later", multipart, "So from the second request on.", after=1)


@scenario("416")
async def unsatisfiable(c, request, reply):
    """416 to a good range, with the right size."""
    await Reply(416, {"Content-Range": f"bytes */{size_of(request)}"}).send(c)

variant("416-later", unsatisfiable, "So from the second request on.", after=1)
