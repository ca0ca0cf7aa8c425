"""That the real servers start, answer as the other tests expect, and stop."""

import http.client
import os
import signal
import subprocess
import sys
import time

import pytest

import servers


def get(address, path, **headers):
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@pytest.mark.parametrize("which", ["minio", "seaweedfs"])
def test_s3(request, which, tmp_path):
    s3 = request.getfixturevalue(which)
    s3.create_bucket("first")
    s3.create_bucket("first")
    data = servers.content(0, 3 << 20)
    key = "a folder/ünïcode+& key"
    etag = s3.put_object("first", key, data)
    assert s3.get_object("first", key) == data
    assert s3.head_object("first", key)["etag"] == etag
    (tmp_path / "file").write_bytes(data[:100])
    assert s3.put_object("first", "from-file", tmp_path / "file") != etag
    assert s3.get_object("first", "from-file") == data[:100]
    s3.put_object("first", "empty", b"")
    assert s3.get_object("first", "empty") == b""

    answer, part = servers.s3_request("GET", s3.endpoint, f"/first/{key}",
                                      headers={"Range": "bytes=5-9", "If-Match": etag})
    assert part == data[5:10] and answer["content-range"] == f"bytes 5-9/{len(data)}"
    with pytest.raises(servers.S3Error) as stale:
        servers.s3_request("GET", s3.endpoint, f"/first/{key}", headers={"If-Match": '"no"'})
    assert stale.value.status == 412
    s3.delete_object("first", key)
    with pytest.raises(servers.S3Error) as gone:
        s3.get_object("first", key)
    assert (gone.value.status, gone.value.code) == (404, "NoSuchKey")


def test_nginx(nginx):
    nginx.put("a", servers.content(0, 100_000))
    answer, body = get(nginx.address, "/a", Range="bytes=10-19")
    assert answer.status == 206 and body == servers.content(10, 10)
    etag = answer.getheader("ETag")
    assert etag.startswith('"')
    assert get(nginx.address, "/a", If_Match=etag)[0].status == 200
    assert get(nginx.address, "/a", If_Match='"x"')[0].status == 412


def test_toxiproxy(toxiproxy, nginx):
    nginx.put("b", b"through")
    proxy = toxiproxy.proxy(nginx.address, latency_ms=100)
    start = time.monotonic()
    assert get(proxy.address, "/b")[1] == b"through"
    assert time.monotonic() - start >= 0.1
    proxy.clear()
    assert get(proxy.address, "/b")[1] == b"through"
    proxy.down()
    with pytest.raises(OSError):
        get(proxy.address, "/b")
    proxy.up()
    assert get(proxy.address, "/b")[1] == b"through"
    proxy.delete()


def test_fault_server(fault_server):
    url = fault_server.url("503", times=1, size=1000)
    path = url[len(fault_server.endpoint):]
    assert [get(fault_server.address, path)[0].status for _ in range(2)] == [503, 200]
    assert [r["method"] for r in fault_server.requests(url)] == ["GET", "GET"]
    assert fault_server.url("503", times=1) != url
    long = servers.content(1048573 - 5, 3 << 20)
    assert long[:10] == servers.content(1048568, 10) and long[5:1000] == servers.content(0, 995)


@pytest.mark.parametrize("name", ["MinIO", "Nginx", "Toxiproxy", "FaultServer"])
def test_dies_with_its_parent(request, name):
    request.getfixturevalue({"FaultServer": "fault_server"}.get(name, name.lower()))
    code = f"import servers, time; s = servers.{name}().start(); " \
        "print(s.process.pid, s.folder, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                              env=os.environ | {"PYTHONPATH": str(servers.HERE)})
    pid, folder = parent.stdout.readline().split()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat") as status:
            if status.read().rpartition(")")[2].split()[0] == "Z":
                break  # dead; where nothing reaps orphans it stays listed
        time.sleep(0.02)
    else:
        assert not os.path.exists(f"/proc/{pid}")
    subprocess.run(["rm", "-rf", folder], check=True)


def test_failure_shows_the_log(monkeypatch):
    class Broken(servers.Server):
        program, remedy = "sh", ""

        def command(self):
            return [self.executable, "-c", "echo no such option; exit 1"]

    with pytest.raises(servers.ServerFailed, match="no such option"):
        Broken().start()


def test_a_death_is_not_overlooked(request):
    request.getfixturevalue("nginx")
    with pytest.raises(servers.ServerFailed, match="nginx ended meanwhile"):
        with servers.Nginx() as nginx:
            nginx.process.kill()
            nginx.process.wait()


def test_missing_program_is_named():
    class Absent(servers.Server):
        program, remedy = "no-such-program", "apt install it"

    with pytest.raises(servers.MissingPrerequisite, match="no-such-program.*apt install it"):
        Absent()
