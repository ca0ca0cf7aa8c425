"""Connections that end, in each phase of an answer, and servers that allow few of them."""

import socket

from .answers import Reply
from .registry import scenario, variant
from .time import HOUR
from .wire import Gone


@scenario("reset-on-accept")
async def reset_on_accept(c, request, reply):
    """RST instead of any answer (before any request: POST /control?reset_accepts=K)."""
    c.reset()

variant("reset-sometimes", reset_on_accept, "RST instead of every second answer.", every=2)


@scenario("reset-in-headers")
async def reset_in_headers(c, request, reply):
    """RST after half of the headers."""
    block = reply.header_bytes()
    await c.send(block[:len(block) // 2])
    await c.reset_later()

variant("reset-in-headers-sometimes", reset_in_headers, "So in every second answer.", every=2)


@scenario("reset-in-body", count="get")
async def reset_in_body(c, request, reply):
    """RST after n= bytes (half)."""
    await reply.send_headers(c)
    await reply.send_body(c, 0, min(reply.length, request.number("n", (reply.length + 1) // 2)))
    await c.reset_later()

variant("reset-before-body", reset_in_body, "RST between the headers and the body, every second.",
        count="get", n=0, every=2)


@scenario("reset-after-body")
async def reset_after_body(c, request, reply):
    """An honest answer, then RST."""
    await reply.send(c)
    await c.reset_later()


@scenario("reset-on-reuse")
async def reset_on_reuse(c, request, reply):
    """The second request of a connection gets a RST."""
    if c.requests > 1:
        c.reset()
    await reply.send(c)


@scenario("close-before-headers")
async def close_before_headers(c, request, reply):
    """Closes without an answer."""
    raise Gone

variant("close-before-headers-sometimes", close_before_headers, "So to every second request.",
        every=2)


@scenario("close-in-headers", every=2)
async def close_in_headers(c, request, reply):
    """Closes after half of the headers, in every second answer."""
    block = reply.header_bytes()
    await c.send(block[:len(block) // 2])
    raise Gone


@scenario("close-after")
async def close_after(c, request, reply):
    """An honest answer that promises keep-alive, then closes."""
    await reply.send(c)
    raise Gone


@scenario("close-on-reuse")
async def close_on_reuse(c, request, reply):
    """The first request of a connection is answered, the second finds it closed."""
    if c.requests > 1:
        raise Gone
    await reply.send(c)


@scenario("stall-on-reuse")
async def stall_on_reuse(c, request, reply):
    """The first request of a connection is answered, the second never."""
    if c.requests > 1:
        await c.sleep(HOUR)
    await reply.send(c)


@scenario("half-close", count="get", every=2)
async def half_close(c, request, reply):
    """Half of the body, then shutdown(SHUT_WR); the connection stays open for reading."""
    await reply.send_headers(c)
    await reply.send_body(c, 0, reply.length // 2)
    c.sock.shutdown(socket.SHUT_WR)
    await c.sleep(HOUR)


@scenario("connection-close")
async def connection_close(c, request, reply):
    """HTTP/1.0 with Connection: close after each answer."""
    reply.protocol = "HTTP/1.0"
    reply.headers["Connection"] = "close"
    await reply.send(c)


@scenario("http-1.0")
async def http_1_0(c, request, reply):
    """HTTP/1.0 without a word on the connection, which closes."""
    reply.protocol = "HTTP/1.0"
    await reply.send(c)
    raise Gone


@scenario("connection-limit")
async def connection_limit(c, request, reply):
    """More than n= (2) requests to this path at a time are refused: refuse=reset (RST), status."""
    if c.server.under_way[request.path] > request.number("n", 2):
        if request.text("refuse", "reset") == "reset":
            c.reset()
        await Reply(503, {"Connection": "close"}, body=b"too many connections\n").send(c)
    await c.sleep(request.number("ms", 20))
    await reply.send(c)

variant("connection-limit-503", connection_limit, "So, but refused by 503.", refuse="status")
variant("connection-limit-1", connection_limit, "A single request at a time; RST for others.", n=1)
