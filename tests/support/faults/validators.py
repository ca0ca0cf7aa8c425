"""Names of versions: missing, weak, broken, two at once. The content is right."""

from .answers import Reply, good, size_of
from .registry import scenario, variant
from .wire import Gone


@scenario("ok")
async def ok(c, request, reply):
    """Honest: ranges, strong ETag, Last-Modified, conditions, keep-alive."""
    await reply.send(c)


@scenario("last-modified-only")
async def last_modified_only(c, request, reply):
    """No ETag; If-Unmodified-Since is honoured."""
    await good(request, etag=None).send(c)


@scenario("weak-etag")
async def weak_etag(c, request, reply):
    """W/"…": If-Match with it never matches."""
    await good(request, etag='W/"v{version}-{size}"').send(c)


@scenario("no-validator")
async def no_validator(c, request, reply):
    """Neither ETag nor Last-Modified."""
    await good(request, etag=None, modified=False).send(c)

variant("validator-vanishes", no_validator, "Neither any more from request after+1 on.", after=1)


@scenario("etag")
async def etag(c, request, reply):
    """The ETag is value= (not even quoted), conditions are ignored."""
    reply = good(request, conditions=False)
    value = request.text("value", "unquoted")
    reply.headers["ETag"] = value.replace("{size}", str(size_of(request)))
    await reply.send(c)

variant("etag-empty", etag, "ETag without a value.", value="")
variant("etag-malformed", etag, "A quote too many in the ETag.", value='"a"b"')
variant("etag-giant", etag, "An ETag of 20 KB.", value='"' + 20_000 * "x" + '"')
variant("etag-becomes-weak", etag, "The same ETag, but weak from the second request on.",
        value='W/"v1-{size}"', after=1)


@scenario("etag-flaps")
async def etag_flaps(c, request, reply):
    """Another ETag in every answer, as of servers behind a balancer; conditions are ignored."""
    reply = good(request, conditions=False)
    reply.headers["ETag"] = f'"{c.number}-{c.requests}"'
    await reply.send(c)


@scenario("etag-twice")
async def etag_twice(c, request, reply):
    """Two different ETags in one answer."""
    reply.lines.append('ETag: "another"')
    await reply.send(c)


@scenario("precondition-fails", after=1)
async def precondition_fails(c, request, reply):
    """412 although nothing changed."""
    await Reply(412, reply.headers | {"Content-Length": "0"}).send(c)


@scenario("not-modified", after=1)
async def not_modified(c, request, reply):
    """304, which nobody asked for."""
    await Reply(304, {"ETag": f'"v1-{size_of(request)}"', "Content-Length": None}).send(c)


@scenario("head-forbidden")
async def head_forbidden(c, request, reply):
    """HEAD: 403 (status=); GET is honest."""
    if request.method == "HEAD":
        reply = Reply(request.number("status", 403))
    await reply.send(c)


@scenario("head-lies")
async def head_lies(c, request, reply):
    """HEAD tells half the size; GET is honest."""
    if request.method == "HEAD":
        reply.headers["Content-Length"] = str(size_of(request) // 2)
    await reply.send(c)


@scenario("empty")
async def empty(c, request, reply):
    """Size 0: a range gives 416 with `bytes */0`."""
    await good(request, size=0).send(c)


@scenario("empty-200")
async def empty_200(c, request, reply):
    """Size 0: a range gives 200 with length 0."""
    await good(request, size=0, ranges=False).send(c)


@scenario("empty-416")
async def empty_416(c, request, reply):
    """Size 0 as S3 has it, 416 to any range without a total; every second GET of all gives 503."""
    reply = Reply(416) if "range" in request.headers else good(request, size=0)
    if reply.status == 200 and c.server.counts[request.path] % 4 == 2:
        reply = Reply(503)
    await reply.send(c)


@scenario("etag-once")
async def etag_once(c, request, reply):
    """The first answer is all of it, with an ETag, and cut short; others are ranges without one."""
    if c.server.counts[request.path] > 1:
        return await good(request, etag=None).send(c)
    reply = good(request, ranges=False)
    await reply.send_headers(c)
    await reply.send_body(c, 0, reply.length // 2)
    raise Gone
