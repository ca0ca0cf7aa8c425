"""The fault server is what other tests measure by, so it is checked with a client of bare sockets."""

import http.client
import json
import pathlib
import socket
import subprocess
import sys
import time

import pytest

import faults

SERVER = pathlib.Path(__file__).with_name("fault_server.py")
SIZE = 300_000


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    log = tmp_path_factory.mktemp("server") / "log"
    with open(log, "w", encoding="utf-8") as errors:
        process = subprocess.Popen([sys.executable, SERVER, "--size", str(SIZE)], stderr=errors,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield int(process.stdout.readline().split()[1])
    process.stdin.close()  # as if the parent had died
    assert process.wait(5) == 0
    assert log.read_text() == "", "the server itself failed"


def expected(offset, length, version=1):
    return bytes(((i % 1048573 * 2654435761 & 0xFFFFFFFF) >> 24) + version - 1 & 255
                 for i in range(offset, offset + length))


def request(method, path, headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: x"] + [f"{k}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def raw(port, path, method="GET", timeout=1.0, most=1 << 30, **headers):
    """Everything the server sends until it closes or is silent; ends with b"RST" if it resets."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    data = b""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(timeout)
        try:
            connection.sendall(request(method, path, headers))
            while len(data) < most and (piece := connection.recv(1 << 16)):
                data += piece
        except TimeoutError:
            pass
        except ConnectionResetError:
            data += b"RST"
    return data


def get(port, path, first=None, last=None, method="GET", **headers):
    """(status, headers, body) by a strict standard client."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if first is not None:
        headers["Range"] = f"bytes={first}-{last}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def split(data):
    head, _, body = data.partition(b"\r\n\r\n")
    return head, body


def test_ok(port):
    status, headers, body = get(port, "/ok/a", 1000, 1999)
    assert (status, body) == (206, expected(1000, 1000))
    assert headers["Content-Range"] == f"bytes 1000-1999/{SIZE}"
    assert headers["ETag"] == f'"v1-{SIZE}"'
    assert get(port, "/ok/a")[2] == expected(0, SIZE)
    assert get(port, "/ok/a", "", 10)[2] == expected(SIZE - 10, 10)
    assert get(port, "/ok/a", SIZE - 5, "")[2] == expected(SIZE - 5, 5)
    assert get(port, "/ok/a", SIZE, SIZE + 1)[0] == 416
    status, headers, body = get(port, "/ok/a", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(SIZE), b"")
    assert get(port, "/ok/a", If_Match='"other"')[0] == 412
    assert get(port, "/ok/a", If_Match='"x", "v1-%d"' % SIZE)[0] == 200
    assert get(port, "/ok/a", If_None_Match=headers["ETag"])[0] == 304
    assert get(port, "/ok/a", 0, 9, If_Range='"other"')[0] == 200


def test_many_gib_and_parameters_in_the_path(port):
    first = (40 << 30) + 1048570
    assert get(port, "/ok/b?size=%d" % (64 << 30), first, first + 99)[2] == expected(first, 100)
    assert get(port, "/ok/size%3D4096/b")[2] == expected(0, 4096)
    assert len(get(port, "/ok/b?size=%d" % (64 << 20))[2]) == 64 << 20


def test_keep_alive_and_pipelining(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(3 * request("GET", "/ok/size=10/c", {"Range": "bytes=2-3"}))
        data = b""
        while data.count(expected(2, 2)) < 3:
            data += connection.recv(65536)
    assert data.count(b"HTTP/1.1 206") == 3


def test_validators(port):
    assert "ETag" not in get(port, "/last-modified-only/a")[1]
    date = get(port, "/last-modified-only/a")[1]["Last-Modified"]
    assert get(port, "/last-modified-only/a", If_Unmodified_Since=date)[0] == 200
    assert get(port, "/last-modified-only/a", If_Unmodified_Since="Mon, 01 Jan 2001")[0] == 412
    weak = get(port, "/weak-etag/a")[1]["ETag"]
    assert weak.startswith("W/") and get(port, "/weak-etag/a", If_Match=weak)[0] == 412
    assert not {"ETag", "Last-Modified"} & get(port, "/no-validator/a")[1].keys()
    assert get(port, "/no-ranges/a", 5, 6)[0] == 200
    assert get(port, "/head-forbidden/a", method="HEAD")[0] == 403
    assert get(port, "/head-forbidden/a", 5, 6)[0] == 206


def test_etag_changes(port):
    tag = get(port, "/etag-changes/a", method="HEAD")[1]["ETag"]
    status, headers, body = get(port, "/etag-changes/a", 0, 99)
    assert status == 206 and headers["ETag"] != tag and body == expected(0, 100, 2)
    assert get(port, "/etag-changes/a", 0, 99, If_Match=tag)[0] == 412
    path = "/etag-changes-ignoring-if-match/a?after=2&count=get"
    seen = [get(port, path, 0, 99, method=m, If_Match=tag)[1]["ETag"]
            for m in ("HEAD", "GET", "GET", "GET")]
    assert seen == [tag, tag, tag, headers["ETag"]]
    assert get(port, path, 0, 99, If_Match=tag)[2] == expected(0, 100, 2)


def test_refusals(port):
    assert [get(port, "/vanishes/a")[0] for _ in range(3)] == [200, 404, 404]
    assert get(port, "/403/a")[0] == 403
    status, _, body = get(port, "/forbidden-xml/a")
    assert status == 403 and b"<Code>AccessDenied</Code>" in body
    assert b"<Code>NoSuchKey</Code>" in get(port, "/no-such-key/a")[2]
    assert b"<Code>X</Code>" in get(port, "/s3-error/a?code=X&status=400")[2]
    assert [get(port, "/503/a?times=2&retry_after=1")[0] for _ in range(3)] == [503, 503, 200]
    assert get(port, "/429/b?retry_after=7")[1]["Retry-After"] == "7"
    assert get(port, "/redirect/a?x=1")[1]["Location"] == "/ok/a?x=1"
    assert get(port, "/unknown/a")[0] == 400
    assert get(port, "/ok/a", method="PUT")[0] == 405


def test_wrong_ranges(port):
    headers = get(port, "/wrong-content-range/a", 10, 19)[1]
    assert headers["Content-Range"] == f"bytes 11-20/{SIZE}"
    path = "/wrong-total-in-content-range/a"
    totals = [get(port, path, 0, 9)[1]["Content-Range"] for _ in range(2)]
    assert totals == [f"bytes 0-9/{SIZE}", f"bytes 0-9/{SIZE // 2}"]
    assert "Content-Range" not in get(port, "/content-range/a", 0, 9)[1]
    assert get(port, "/content-range/a?value=x", 0, 9)[1]["Content-Range"] == "x"
    status, _, body = get(port, "/partial-as-200/a", 10, 19)
    assert (status, body) == (200, expected(10, 10))


@pytest.mark.parametrize("path, status", [("/empty/a", 416), ("/empty-200/a", 200)])
def test_empty(port, path, status):
    answer = get(port, path, 0, 9)
    assert answer[0] == status and answer[2] == b""
    assert answer[1].get("Content-Range") == ("bytes */0" if status == 416 else None)
    assert get(port, path, method="HEAD")[1]["Content-Length"] == "0"


def test_truncation(port):
    for _ in range(2):
        head, body = split(raw(port, "/truncate-always/a?n=10", Range="bytes=0-99"))
        assert b"Content-Length: 100" in head and body == expected(0, 10)
    lengths = [len(split(raw(port, "/truncate-sometimes/a", Range="bytes=0-99", timeout=0.2))[1])
               for _ in range(4)]
    assert lengths == [100, 50, 100, 50]


def test_lying_lengths(port):
    head, body = split(raw(port, "/long-content-length/a", Range="bytes=0-99", timeout=0.2))
    assert b"Content-Length: 200" in head and body == expected(0, 200)
    head, body = split(raw(port, "/content-length-lies-short/a?by=9", Range="bytes=0-99",
                           timeout=0.2))
    assert b"Content-Length: 91" in head and len(body) == 91
    assert get(port, "/chunked-ok/a", 5, 70004)[2] == expected(5, 70000)
    assert get(port, "/long-chunked/a", 5, 104)[2] == expected(5, 200)
    assert get(port, "/short-chunked/a", 5, 104)[2] == expected(5, 50)
    for name in ("truncated-chunked", "garbled-chunked"):
        with pytest.raises(http.client.IncompleteRead):
            get(port, f"/{name}/a", 5, 104)
    assert get(port, "/no-length/a?n=30", 5, 104)[2] == expected(5, 30)
    head, body = split(raw(port, "/trailing-bytes/a", Range="bytes=0-9", timeout=0.2))
    assert body[:10] == expected(0, 10) and body[10:].startswith(b"HTTP/1.1 206")
    assert get(port, "/content-encoding/a", 0, 9)[1]["Content-Encoding"] == "gzip"


def test_time(port):
    assert raw(port, "/stall-before-headers/a", timeout=0.3) == b""
    assert b"\r\n\r\n" not in raw(port, "/stall-in-headers/a", timeout=0.3)
    path = "/stall-in-body/a?n=10&times=1"
    bodies = [split(raw(port, path, Range="bytes=0-99", timeout=0.3))[1] for _ in range(2)]
    assert bodies == [expected(0, 10), expected(0, 100)]
    start = time.monotonic()
    assert get(port, "/slow/a?ms=200", 0, 9)[0] == 206
    assert get(port, "/stall-in-body/b?ms=200", 0, 9)[2] == expected(0, 10)
    assert get(port, "/drip/a?n=5&ms=50", 0, 19)[2] == expected(0, 20)
    assert time.monotonic() - start > 0.55


def test_connections(port):
    assert raw(port, "/reset-on-accept/a") == b"RST"
    data = raw(port, "/reset-in-headers/a")
    assert data.startswith(b"HTTP") and data.endswith(b"RST") and b"\r\n\r\n" not in data
    data = raw(port, "/reset-in-body/a?n=10", Range="bytes=0-99")
    assert split(data)[1] == expected(0, 10) + b"RST"
    assert raw(port, "/close-before-headers/a") == b""
    data = raw(port, "/connection-close/a?size=10")
    assert data.startswith(b"HTTP/1.0 200") and split(data)[1] == expected(0, 10)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/close-on-reuse/a?size=10")
    assert connection.getresponse().read() == expected(0, 10)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        connection.request("GET", "/close-on-reuse/a?size=10")
        connection.getresponse()
    get(port, "/control?reset_accepts=1", method="POST")
    assert raw(port, "/ok/a") == b"RST"
    assert get(port, "/ok/a", 0, 9)[0] == 206


def test_headers(port):
    with pytest.raises(http.client.HTTPException):
        get(port, "/giant-headers/a")
    with pytest.raises(http.client.HTTPException):
        get(port, "/header-count/a")
    assert raw(port, "/header-count/a?n=2000", timeout=0.3).count(b"X-H") == 2000
    assert not raw(port, "/garbage/a").startswith(b"HTTP")
    interim, final = raw(port, "/interim/a?size=10", timeout=0.3).split(b"HTTP/1.1 ")[1:]
    assert interim.startswith(b"103") and split(final)[1] == expected(0, 10)


def test_at_spoils_only_its_range(port):
    path = "/404/a?at=150"
    answers = [get(port, path, first, first + 99)[0] for first in (0, 100, 200)]
    assert answers == [206, 404, 206]


def test_statistics(port):
    get(port, "/reset", method="POST")
    get(port, "/ok/s?x=1", 0, 9, If_Match="*")
    get(port, "/ok/s", method="HEAD")
    stats = json.loads(get(port, "/stats?path=/ok/s")[2])
    first, second = stats["requests"]["/ok/s"]
    assert (first["method"], first["range"], first["if_match"]) == ("GET", "bytes=0-9", "*")
    assert (second["method"], second["range"]) == ("HEAD", None)
    assert stats["accepted"] == 3 and first["connection"] != second["connection"]


def test_survives_bad_clients(port):
    for junk in (b"\r\n\r\n", b"\xff" * 1000 + b"\r\n\r\n", b"GET /ok/a HTTP/1.1\r\nX: ",
                 b"GET /ok/size=x/a HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(junk)
            connection.settimeout(0.1)
            try:
                connection.recv(1000)
            except TimeoutError:
                pass
    with socket.create_connection(("127.0.0.1", port)) as connection:  # leaves in mid-body
        connection.sendall(request("GET", "/ok/a?size=%d" % (1 << 40), {}))
        connection.recv(1000)
    time.sleep(0.1)
    assert get(port, "/ok/a", 0, 9)[0] == 206
    assert json.loads(get(port, "/stats")[2])["open"] == 1


def test_every_scenario_is_told_by_the_list():
    listed = subprocess.run([sys.executable, SERVER, "--list"], stdout=subprocess.PIPE, text=True,
                            check=True).stdout
    assert len(faults.SCENARIOS) > 60
    for scenario in faults.SCENARIOS.values():
        assert f"\n  {scenario.name} " in listed and scenario.text


def test_no_scenario_breaks_the_server(port):
    """It would print a traceback, which the end of `port` finds."""
    for name in faults.SCENARIOS:
        for _ in range(2):
            raw(port, f"/{name}/size=50/a", timeout=0.02, most=20_000, Range="bytes=0-49")
    assert get(port, "/ok/a", 0, 9)[0] == 206


def test_switched_at_run_time(port):
    assert get(port, "/switch/a", 0, 9)[0] == 206
    get(port, "/control?switch=503&times=1", method="POST")
    assert [get(port, "/switch/a", 0, 9)[0] for _ in range(2)] == [503, 206]
    get(port, "/control?switch=vanishes", method="POST")
    assert [get(port, "/switch/a", 0, 9)[0] for _ in range(2)] == [206, 404]
    assert get(port, "/control?switch=nonsense", method="POST")[0] == 400


def test_storms_spare_some(port):
    assert [get(port, "/503-storm/a", 0, 9)[0] for _ in range(8)] == [503, 503, 503, 206] * 2


@pytest.mark.parametrize("mode, answer", [("stall", b""), ("close", b""), ("reset", b"RST"),
                                          ("alert", b"\x15\x03\x03\x00\x02\x02\x28")])
def test_what_speaks_tls_gets_no_answer(port, mode, answer):
    get(port, f"/control?tls={mode}", method="POST")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"\x16\x03\x01\x00\x05hello")
        connection.settimeout(0.3)
        try:
            got = connection.recv(1000)
        except TimeoutError:
            got = b""
        except ConnectionResetError:
            got = b"RST"
    assert got == answer
