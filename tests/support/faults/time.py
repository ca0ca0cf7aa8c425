"""Answers that are slow, or never come to their end."""

import asyncio

from .registry import scenario, variant

HOUR = 3_600_000  # ms: "for ever" for a test


@scenario("slow")
async def slow(c, request, reply):
    """Waits ms= (100) before an honest answer."""
    await c.sleep(request.number("ms", 100))
    await reply.send(c)


@scenario("slow-connections")
async def slow_connections(c, request, reply):
    """Each new connection waits ms= (1000) before its first answer."""
    if c.requests == 1:
        await c.sleep(request.number("ms", 1000))
    await reply.send(c)


@scenario("stall-before-headers")
async def stall_before_headers(c, request, reply):
    """Waits ms= (for ever), then goes on."""
    await c.sleep(request.number("ms", HOUR))
    await reply.send(c)

variant("stall-before-headers-later", stall_before_headers, "So from the second request on.",
        after=1)


@scenario("stall-in-headers")
async def stall_in_headers(c, request, reply):
    """Half of the headers, waits ms= (for ever), then goes on."""
    block = reply.header_bytes()
    await c.send(block[:len(block) // 2])
    await c.sleep(request.number("ms", HOUR))
    await c.send(block[len(block) // 2:])
    await reply.send_body(c)


@scenario("stall-in-body", count="get")
async def stall_in_body(c, request, reply):
    """Waits ms= (for ever) after n= bytes (half), then goes on."""
    n = min(reply.length, request.number("n", reply.length // 2))
    await reply.send_headers(c)
    await reply.send_body(c, 0, n)
    await c.sleep(request.number("ms", HOUR))
    await reply.send_body(c, n)

variant("stall-in-body-later", stall_in_body, "So from the second request on.", count="get",
        after=1)
variant("pause-in-body", stall_in_body, "Waits 500 ms in the middle of each body.", count="get",
        ms=500)


@scenario("stall-after-body", count="get")
async def stall_after_body(c, request, reply):
    """All bytes in chunks; the last, empty chunk never comes."""
    del reply.headers["Content-Length"]
    reply.headers["Transfer-Encoding"] = "chunked"
    await reply.send_headers(c)
    await reply.send_body(c, wrap=lambda p: b"%x\r\n%b\r\n" % (len(p), p))
    await c.sleep(HOUR)


@scenario("drip", count="get")
async def drip(c, request, reply):
    """n= (1) bytes each ms= (10)."""
    n = request.number("n", 1)
    await reply.send_headers(c)
    for start in range(0, reply.length, n):
        await reply.send_body(c, start, min(reply.length, start + n))
        await c.sleep(request.number("ms", 10))

variant("drip-slowly", drip, "One byte a second, from the second request on.", count="get",
        ms=1000, after=1)


@scenario("drip-headers")
async def drip_headers(c, request, reply):
    """The header's bytes one by one, each ms= (1)."""
    for byte in reply.header_bytes():
        await c.send(bytes([byte]))
        await asyncio.sleep(request.number("ms", 1) / 1000)
    await reply.send_body(c)

variant("drip-headers-slowly", drip_headers, "One byte of the header a second.", ms=1000, after=1)
