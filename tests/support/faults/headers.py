"""Headers that never end or make no sense, and answers before the answer."""

from .answers import REASONS, good
from .registry import scenario, variant
from .wire import Gone, content


@scenario("giant-headers")
async def giant_headers(c, request, reply):
    """One header that never ends (n= bytes)."""
    await c.send(f"HTTP/1.1 {reply.status} OK\r\nX-Giant: ".encode())
    await c.send_for_ever(b"x" * 65536, request.number("n", 1 << 40) // 65536)
    raise Gone


@scenario("header-count")
async def header_count(c, request, reply):
    """n= (100000) headers before an honest answer's own."""
    await c.send(f"HTTP/1.1 {reply.status} {REASONS[reply.status]}\r\n".encode())
    for start in range(0, request.number("n", 100000), 1000):
        await c.send(b"".join(b"X-H%d: v\r\n" % i for i in range(start, start + 1000)))
    await c.send(reply.header_bytes().partition(b"\r\n")[2])
    await reply.send_body(c)


@scenario("endless-headers")
async def endless_headers(c, request, reply):
    """Header after header, without end."""
    await c.send(f"HTTP/1.1 {reply.status} {REASONS[reply.status]}\r\n".encode())
    await c.send_for_ever(b"X-Header: v\r\n" * 1000)

variant("endless-headers-later", endless_headers, "So from the second request on.", after=1)


@scenario("garbage")
async def garbage(c, request, reply):
    """1 KiB of noise instead of a status line."""
    await c.send(bytes(content(7, 1024)))
    raise Gone

variant("garbage-sometimes", garbage, "So to every second request.", every=2)


@scenario("http-0.9")
async def http_0_9(c, request, reply):
    """The bytes alone, without any header."""
    await reply.send_body(c)
    raise Gone


@scenario("status-line")
async def status_line(c, request, reply):
    """The first line is value= (HTTP/1.1 206, without a reason)."""
    rest = reply.header_bytes().partition(b"\r\n")[2]
    await c.send(request.text("value", f"HTTP/1.1 {reply.status}").encode() + b"\r\n" + rest)
    await reply.send_body(c)

variant("status-line-garbled", status_line, "HTTP/1.1 2o6.", value="HTTP/1.1 2o6 Partial Content")
variant("status-line-999", status_line, "HTTP/1.1 999.", value="HTTP/1.1 999 What")
variant("status-line-http-2", status_line, "HTTP/2 206 over a connection of HTTP/1.1.",
        value="HTTP/2 206")
variant("status-line-other", status_line, "ICY 200 OK, as radio stations say.", value="ICY 200 OK")


@scenario("interim")
async def interim(c, request, reply):
    """n= (1) times 103 Early Hints before an honest answer."""
    await c.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * request.number("n", 1))
    await reply.send(c)

variant("interim-many", interim, "2000 times 103 before an honest answer.", n=2000)


@scenario("interim-misleading")
async def interim_misleading(c, request, reply):
    """A 103 with another ETag, range and length before an honest answer."""
    await c.send(b"HTTP/1.1 103 Early Hints\r\nETag: \"other\"\r\nContent-Length: 3\r\n"
                 b"Content-Range: bytes 0-2/3\r\n\r\n")
    await reply.send(c)


@scenario("interim-endless")
async def interim_endless(c, request, reply):
    """103 after 103, without end."""
    await c.send_for_ever(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)


@scenario("switching-protocols")
async def switching_protocols(c, request, reply):
    """101 to a protocol that nobody asked for, then silence."""
    await c.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    await c.sleep(3_600_000)


@scenario("header-line")
async def header_line(c, request, reply):
    """A header line of value= (one without a colon) among the others."""
    reply.lines.append(request.text("value", "no colon here"))
    await reply.send(c)

variant("header-folded", header_line, "A header that goes on in a second line.",
        value="X-Folded: one\r\n two")
variant("header-nul", header_line, "A zero byte in a header.", value="X-Zero: a\0b")
variant("header-latin-1", header_line, "Bytes that are no UTF-8 in a header.",
        value="X-Name: é\xff")
variant("header-space-before-colon", header_line, "A space before a header's colon.",
        value="X-Space : v")


@scenario("headers-lower-case")
async def headers_lower_case(c, request, reply):
    """All names in lower case, no space after the colon, tabs after the values: all legal."""
    reply.headers = {}
    for name, value in good(request).headers.items():
        reply.lines.append(f"{name.lower()}:{value}\t")
    await reply.send(c)


@scenario("headers-line-feeds")
async def headers_line_feeds(c, request, reply):
    """Lines that end with a line feed alone."""
    await c.send(reply.header_bytes().replace(b"\r\n", b"\n"))
    await reply.send_body(c)
