"""Statuses other than 206, and what may stand in the body of an error."""

from .answers import Reply
from .registry import scenario, variant


@scenario("status")
async def status(c, request, reply):
    """That status (code=, 500), with retry_after= and body= if given."""
    code = request.number("code", 500)
    headers = {"Content-Type": "text/plain", "Retry-After": request.text("retry_after", None)}
    body = request.text("body", f"fault {code}\n").encode()
    await Reply(code, headers, body=body).send(c)

for code in (400, 401, 403, 404, 405, 408, 410, 429, 451, 500, 501, 502, 503, 504, 599):
    variant(str(code), status, f"{code}, for ever or as after= and times= say.", code=code)
for code in (408, 429, 500, 503):
    variant(f"{code}-storm", status, f"{code} to three of every four requests.", code=code,
            spare=4)
variant("retry-after", status, "503 twice, with Retry-After: 1.", code=503, retry_after=1,
        after=1, times=2)
variant("retry-after-date", status, "503 for ever, with a Retry-After in 2099.", code=503,
        retry_after="Thu, 01 Jan 2099 00:00:00 GMT", after=1)
variant("retry-after-absurd", status, "503 for ever, with a Retry-After beyond 64 bits.", code=503,
        retry_after=10**30, after=1)
variant("retry-after-negative", status, "503 twice, with Retry-After: -5.", code=503,
        retry_after=-5, after=1, times=2)
variant("retry-after-garbage", status, "429 twice, with a Retry-After that is none.", code=429,
        retry_after="soon", after=1, times=2)
variant("forbidden-later", status, "403 from the second request on.", code=403, after=1)
variant("no-content-later", status, "204 from the second request on.", code=204, body="", after=1)
variant("server-error-later", status, "500 for ever, from the second request on.", code=500,
        after=1)


@scenario("headers")
async def headers(c, request, reply):
    """400 if a field of without= (a,b) has come, or one of with= (a,b) has not; else honest."""
    def named(parameter):
        return [name for name in request.text(parameter, "").split(",") if name]
    bad = [name for name in named("without") if name in request.headers]
    bad += [name for name in named("with") if name not in request.headers]
    await (Reply(400, body=f"{bad}\n".encode()) if bad else reply).send(c)


def xml(code, message, more=""):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
            f"<Message>{message}</Message>{more}<RequestId>R3MAP</RequestId></Error>").encode()


@scenario("s3-error")
async def s3_error(c, request, reply):
    """S3's XML: status= (400), code= (ExpiredToken), message=."""
    code = request.text("code", "ExpiredToken")
    body = xml(code, request.text("message", "The provided token has expired."),
               f"<Resource>{request.path}</Resource>")
    await Reply(request.number("status", 400), {"Content-Type": "application/xml"},
                body=body).send(c)

variant("forbidden-xml", s3_error, "403, AccessDenied.", status=403, code="AccessDenied",
        message="Access Denied.")
variant("no-such-key", s3_error, "404, NoSuchKey.", status=404, code="NoSuchKey",
        message="The specified key does not exist.")
variant("slow-down", s3_error, "503, SlowDown, twice.", status=503, code="SlowDown",
        message="Please reduce your request rate.", after=1, times=2)
variant("internal-error", s3_error, "500, InternalError, to every second request.", status=500,
        code="InternalError", message="We encountered an internal error.", every=2)
variant("xml-giant-message", s3_error, "403 with a message of 50,000 letters.", status=403,
        code="AccessDenied", message=50_000 * "x")


@scenario("error-body")
async def error_body(c, request, reply):
    """403 (status=) with body= of type= (text/html)."""
    await Reply(request.number("status", 403), {"Content-Type": request.text("type", "text/html")},
                body=request.text("body", "<html><h1>Forbidden").encode("latin-1")).send(c)

variant("xml-malformed", error_body, "403 with XML that is none.", type="application/xml",
        body="<?xml version='1.0'?><Error><Code>Acc</Message>&#0;<<>")
variant("xml-cut", error_body, "403 with XML that breaks off.", type="application/xml",
        body="<?xml version='1.0'?><Error><Code>AccessDenied</Co")
variant("xml-bomb", error_body, "403 with entities that grow to gigabytes.", type="application/xml",
        body="<?xml version='1.0'?><!DOCTYPE Error [<!ENTITY a0 'aaaaaaaaaa'>" +
        "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 10)) +
        "]><Error><Code>&a9;</Code><Message>&a9;</Message></Error>")
variant("xml-deep", error_body, "403 with 10,000 elements in each other.", type="application/xml",
        body="<a>" * 10_000)
variant("error-body-binary", error_body, "403 with noise that is called XML.",
        type="application/xml", body="".join(chr(i * 7 % 256) for i in range(4000)))
variant("error-body-empty", error_body, "500 without a text, to every second request.",
        status=500, body="", every=2)
variant("portal", error_body, "200 with a page that asks to log in, from the second request on.",
        status=200, body="<html>Welcome! Please log in.", after=1)


@scenario("xml-endless")
async def xml_endless(c, request, reply):
    """403 with an XML message that never ends."""
    await c.send(b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\n"
                 b"Connection: close\r\n\r\n<?xml version='1.0'?><Error><Message>")
    await c.send_for_ever(65536 * b"x")


@scenario("error-stalls")
async def error_stalls(c, request, reply):
    """403, of whose body only half comes."""
    reply = Reply(403, {"Content-Type": "application/xml"}, body=xml("AccessDenied", "No."))
    await reply.send_headers(c)
    await reply.send_body(c, 0, reply.length // 2)
    await c.sleep(3_600_000)
