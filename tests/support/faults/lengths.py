"""Bodies that are shorter or longer than announced, chunks, encodings, second answers."""

import asyncio
import gzip

from .answers import PIECE, good
from .registry import scenario, variant
from .wire import Gone, content


@scenario("truncate-always", count="get")
async def truncate(c, request, reply):
    """The body ends with the connection after n= bytes (half); cut=: so many before its end."""
    cut = request.number("cut", reply.length // 2)
    await reply.send_headers(c)
    await reply.send_body(c, 0, min(reply.length, request.number("n", reply.length - cut)))
    raise Gone

variant("truncate-sometimes", truncate, "So in every second answer.", count="get", every=2)
variant("truncate-at-once", truncate, "The connection ends before the body begins.", count="get",
        n=0, after=1)
variant("truncate-by-one", truncate, "The last byte is missing in every second answer.",
        count="get", cut=1, every=2)


@scenario("long-content-length", count="get")
async def long_content_length(c, request, reply):
    """Content-Length and body are by= (100) bytes longer than the range."""
    reply.length += request.number("by", 100)
    reply.headers["Content-Length"] = str(reply.length)
    await reply.send(c)


@scenario("content-length-lies-short", count="get")
async def short_content_length(c, request, reply):
    """Content-Length is by= (100) bytes too short, and so is the body; all=1: the body is not."""
    short = max(0, reply.length - request.number("by", 100))
    reply.headers["Content-Length"] = str(short)
    await reply.send_headers(c)
    await reply.send_body(c, 0, reply.length if request.number("all", 0) else short)

variant("content-length-short-body-not", short_content_length,
        "Content-Length is 100 bytes too short, the body is not.", count="get", all=1)


@scenario("content-length", count="get")
async def content_length(c, request, reply):
    """Content-Length is value=; the body is right, and the connection ends."""
    reply.headers["Content-Length"] = request.text("value", None)
    await reply.send(c)
    raise Gone

variant("content-length-negative", content_length, "Content-Length: -1.", count="get", value=-1)
variant("content-length-huge", content_length, "Content-Length beyond 64 bits.", count="get",
        value=10**30)
variant("content-length-max", content_length, "Content-Length: 2^63 - 1.", count="get",
        value=(1 << 63) - 1)
variant("content-length-garbage", content_length, "Content-Length: many.", count="get",
        value="many")
variant("content-length-empty", content_length, "Content-Length without a value.", count="get",
        value="")


@scenario("content-length-twice", count="get")
async def content_length_twice(c, request, reply):
    """Two different Content-Lengths."""
    reply.lines.append(f"Content-Length: {reply.length // 2}")
    await reply.send(c)


@scenario("no-body", count="get", after=1)
async def no_body(c, request, reply):
    """206 with the right Content-Range, Content-Length: 0, and no body."""
    reply.headers["Content-Length"] = "0"
    await reply.send_headers(c)


@scenario("endless-body", count="get")
async def endless_body(c, request, reply):
    """Neither length nor end."""
    del reply.headers["Content-Length"]
    reply.headers["Connection"] = "close"
    await reply.send_headers(c)
    await reply.send_body(c)
    await c.send_for_ever(bytes(content(0, 65536, 2)))


async def chunked(c, request, reply, extra=0, end=None, last=b"0\r\n\r\n", extension=b""):
    del reply.headers["Content-Length"]
    reply.headers["Transfer-Encoding"] = "chunked"
    reply.length += extra
    await reply.send_headers(c)
    await reply.send_body(c, 0, end, lambda p: b"%x%b\r\n%b\r\n" % (len(p), extension, p))
    if not c.head:
        await c.send(last)


@scenario("chunked-ok", count="get")
async def chunked_ok(c, request, reply):
    """Chunked, and right."""
    await chunked(c, request, reply)


@scenario("chunked-trailers", count="get")
async def chunked_trailers(c, request, reply):
    """Chunked, with trailers that contradict the header."""
    await chunked(c, request, reply, last=b"0\r\nContent-Length: 3\r\nETag: \"other\"\r\n"
                                          b"Content-Range: bytes 0-2/3\r\n\r\n")


@scenario("chunked-endless-trailers", count="get")
async def chunked_endless_trailers(c, request, reply):
    """Chunked, with trailers that never end."""
    await chunked(c, request, reply, last=b"0\r\n")
    await c.send_for_ever(b"X-Trailer: v\r\n" * 1000)


@scenario("chunked-extensions", count="get")
async def chunked_extensions(c, request, reply):
    """Chunked, each chunk with an extension of 1000 bytes."""
    await chunked(c, request, reply, extension=b";x=" + 1000 * b"y")


@scenario("chunked-and-length", count="get")
async def chunked_and_length(c, request, reply):
    """Chunked, with a Content-Length beside it that is too short (smuggling)."""
    reply.lines.append("Content-Length: 10")
    await chunked(c, request, reply)


@scenario("long-chunked", count="get")
async def long_chunked(c, request, reply):
    """Chunked, with by= (100) bytes more than asked."""
    await chunked(c, request, reply, extra=request.number("by", 100))


@scenario("short-chunked", count="get")
async def short_chunked(c, request, reply):
    """Chunked, well ended after n= bytes (half)."""
    await chunked(c, request, reply, end=request.number("n", (reply.length + 1) // 2))


@scenario("truncated-chunked", count="get")
async def truncated_chunked(c, request, reply):
    """Chunked, closed after n= bytes (half) without the last chunk."""
    await chunked(c, request, reply, end=request.number("n", (reply.length + 1) // 2), last=b"")
    raise Gone


@scenario("garbled-chunked", count="get")
async def garbled_chunked(c, request, reply):
    """Chunked, with a chunk size that is no number after n= bytes (half)."""
    await chunked(c, request, reply, end=request.number("n", (reply.length + 1) // 2),
                  last=b"zz\r\nq\r\n")


@scenario("huge-chunk", count="get")
async def huge_chunk(c, request, reply):
    """Chunked, with a chunk size beyond 64 bits after n= bytes (half)."""
    await chunked(c, request, reply, end=request.number("n", (reply.length + 1) // 2),
                  last=b"f" * 20 + b"\r\nq\r\n")


@scenario("endless-chunked", count="get")
async def endless_chunked(c, request, reply):
    """Chunked, and never ending."""
    await chunked(c, request, reply, last=b"")
    await c.send_for_ever(b"10000\r\n" + bytes(content(0, 65536, 2)) + b"\r\n")


@scenario("no-length", count="get")
async def no_length(c, request, reply):
    """Neither length nor chunks: the body ends with the connection; n= cuts it."""
    del reply.headers["Content-Length"]
    reply.headers["Connection"] = "close"
    reply.length = min(reply.length, request.number("n", reply.length))
    await reply.send(c)

variant("no-length-short", no_length, "So, and cut to 20,000 bytes.", count="get", n=20_000)


async def with_more(c, reply, more):
    """The answer; its last byte and `more` go out together, so that the client has both at once."""
    await reply.send_headers(c)
    await reply.send_body(c, 0, reply.length - 1)
    await c.send(bytes(content(reply.start + reply.length - 1, 1)) + more)


@scenario("trailing-bytes", count="get")
async def trailing_bytes(c, request, reply):
    """After the body a second response to the same request (smuggling), of version 2."""
    forged = reply.header_bytes() + bytes(content(reply.start, reply.length, 2))
    await with_more(c, reply, forged)


@scenario("trailing-bytes-later", count="get")
async def trailing_bytes_later(c, request, reply):
    """The forged response comes 50 ms after the body, when the connection is idle or used again."""
    await reply.send(c)
    await asyncio.sleep(0.05)
    await c.send(reply.header_bytes() + bytes(content(reply.start, min(reply.length, 65536), 2)))


@scenario("trailing-noise", count="get")
async def trailing_noise(c, request, reply):
    """After the body 100 bytes that belong to nothing."""
    await with_more(c, reply, 100 * b"!")


@scenario("content-encoding", count="get")
async def content_encoding(c, request, reply):
    """Claims Content-Encoding value= (gzip); the data is plain."""
    reply.headers["Content-Encoding"] = request.text("value", "gzip")
    await reply.send(c)

variant("content-encoding-later", content_encoding, "So from the second request on.",
        count="get", after=1)
variant("content-encoding-identity", content_encoding, "Content-Encoding: identity.", count="get",
        value="identity")
variant("content-encoding-unknown", content_encoding, "Content-Encoding: aws-chunked.",
        count="get", value="aws-chunked")


@scenario("encodes-on-the-way", count="get")
async def encodes_on_the_way(c, request, reply):
    """Content-Encoding: gzip, and it is: of the range's bytes, which is nobody's object. how=
    length: theirs is told; chunked: it is not; weak: the range's, with a weak ETag; 200: the whole."""
    how = request.text("how", "length")
    if how == "200":
        reply = good(request, ranges=False)
    data = b"".join(content(o, min(PIECE, reply.start + reply.length - o))
                    for o in range(reply.start, reply.start + reply.length, PIECE))
    packed = gzip.compress(data, 1)
    if how == "weak":
        reply.headers["ETag"] = "W/" + reply.headers["ETag"]
        packed = packed[:reply.length].ljust(reply.length, b"\0")
    reply.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding",
                      "Content-Length": str(len(packed))}
    reply.body, reply.length = packed, len(packed)
    await (chunked(c, request, reply) if how == "chunked" else reply.send(c))


@scenario("transfer-encoding-gzip", count="get")
async def transfer_encoding_gzip(c, request, reply):
    """Transfer-Encoding: gzip, chunked, which nobody asked for; the data is plain."""
    reply.lines.append("Transfer-Encoding: gzip")
    await chunked(c, request, reply)
