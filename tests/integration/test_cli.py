"""The r3map command against real servers: what it writes, says and leaves, and its exit codes."""

import fcntl
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import termios
import time

import pytest

import required
import servers

SIZE = 21 * (1 << 20) + 12345  # more than the reads that are under way at a time
DATA = servers.content(0, SIZE)


@pytest.fixture(scope="module")
def command():
    return required.command()


@pytest.fixture
def r3map(command):
    """Runs the command; bytes in stdout and text in stderr."""
    def run(*arguments, env=None, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 90} | options
        result = subprocess.run([command, *map(str, arguments)], check=False,
                                env=os.environ | (env or {}), **options)
        result.stderr = (result.stderr or b"").decode()
        return result
    return run


@pytest.fixture
def start(command):
    """Starts the command in the background."""
    running = []

    def run(*arguments, **options):
        # Tests that run under nohup would pass on that SIGHUP is ignored.
        options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
        running.append(subprocess.Popen([command, *map(str, arguments)], **options))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


@pytest.fixture
def mortal():
    """A fault server that may be killed."""
    server = servers.FaultServer().start()
    yield server
    server.stop()


def on_a_terminal(start, *arguments, columns=60, stream="stdout"):
    """What the command shows on a terminal of its own, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = start(*arguments, env=os.environ | {"LC_ALL": "C.UTF-8"}, **{stream: theirs})
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # EIO: the other side is closed
        pass
    os.close(ours)
    return shown.decode(), process.wait(10)


def failed(result, *words):
    assert result.returncode == 1, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("r3map: "), result.stderr
    assert all(word in lines[0] for word in words), lines[0]


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come to pass"
        time.sleep(0.01)


# ---------------------------------------------------------------- what works

@pytest.fixture(params=["s3", "http", "file"])
def source(request, tmp_path):
    """(URL, environment) of DATA."""
    if request.param == "s3":
        minio, bucket = request.getfixturevalue("minio"), request.getfixturevalue("bucket")
        minio.put_object(bucket, "folder/object", DATA)
        return f"s3://{bucket}/folder/object", minio.env
    if request.param == "http":
        return request.getfixturevalue("nginx").put("object", DATA), {}
    (tmp_path / "source").mkdir()
    (tmp_path / "source/object").write_bytes(DATA)
    return f"file://{tmp_path}/source/object", {}


def test_info(r3map, source):
    url, env = source
    result = r3map("info", url, env=env)
    assert result.returncode == 0 and result.stderr == ""
    lines = dict(line.split(":", 1) for line in result.stdout.decode().splitlines())
    assert lines["url"].strip() == url
    assert lines["size"].split()[0] == str(SIZE)
    assert lines["version"].strip()
    about = json.loads(r3map("info", url, "--json", env=env).stdout)
    assert about == {"url": url, "size": SIZE, "version": lines["version"].strip()}


def test_cat(r3map, source):
    url, env = source
    assert r3map("cat", url, env=env).stdout == DATA
    for offset, length in ((0, 1), (SIZE - 1, 1), (4096, 512), (SIZE, 10), (SIZE - 5, 99), (7, 0),
                           (1 << 20, 9 << 20)):
        result = r3map("cat", url, "--offset", offset, "--length", length, env=env)
        assert result.returncode == 0 and result.stdout == DATA[offset:offset + length]
    for length in ("64K", "64k", "64KiB", "64kib", "64kB"):
        result = r3map("cat", "--offset=1M", url, f"--length={length}", env=env)
        assert result.stdout == DATA[1 << 20:][:65536]
    failed(r3map("cat", url, "--offset", SIZE + 1, env=env), url, "past the end")


def test_cp(r3map, source, tmp_path):
    url, env = source
    result = r3map("cp", url, tmp_path / "copy", env=env)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", "")
    assert (tmp_path / "copy").read_bytes() == DATA
    assert r3map("cp", url, "-", env=env).stdout == DATA
    (tmp_path / "into").mkdir()
    assert r3map("cp", url, tmp_path / "into", env=env).returncode == 0
    assert (tmp_path / "into/object").read_bytes() == DATA
    assert os.listdir(tmp_path / "into") == ["object"]


def test_empty_object(r3map, minio, bucket, tmp_path):
    minio.put_object(bucket, "empty", b"")
    assert r3map("cat", f"s3://{bucket}/empty", env=minio.env).stdout == b""
    assert r3map("cp", f"s3://{bucket}/empty", tmp_path / "empty", env=minio.env).returncode == 0
    assert (tmp_path / "empty").read_bytes() == b""


def test_options_instead_of_the_environment(r3map, minio, bucket):
    minio.put_object(bucket, "a key with = and %?#", b"content")
    options = [f"-o{name}={value}" for name, value in minio.storage_options.items()]
    url = f"s3://{bucket}/a key with = and %?#"
    assert r3map("cat", url, *options).stdout == b"content"
    name, value = "endpoint_url", minio.endpoint
    assert r3map("cat", "-o", f"{name}={value}", url, env=minio.env).stdout == b"content"


def test_replaces_as_cp_does(r3map, tmp_path):
    (tmp_path / "source").write_bytes(b"new")
    target = tmp_path / "target"
    target.write_bytes(b"old and longer")
    target.chmod(0o751)
    (tmp_path / "link").symlink_to("target")
    assert r3map("cp", tmp_path / "source", tmp_path / "link").returncode == 0
    assert target.read_bytes() == b"new" and target.stat().st_mode & 0o777 == 0o751
    assert (tmp_path / "link").is_symlink()
    assert r3map("cp", tmp_path / "source", tmp_path / "fresh", umask=0o027).returncode == 0
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o640
    assert r3map("cp", tmp_path / "source", "/dev/null").returncode == 0
    assert r3map("cp", tmp_path / "source", tmp_path / "source").returncode == 0
    assert (tmp_path / "source").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["fresh", "link", "source", "target"]


def slow_copy(start, nginx, toxiproxy, target, columns):
    """The lines that a copy of a second shows on a terminal, one after the other."""
    url = nginx.put("object", DATA[:1 << 20])
    proxy = toxiproxy.proxy(nginx.address, bytes_per_second=1_000_000)
    shown, code = on_a_terminal(start, "cp", url.replace(nginx.url, proxy.url), target,
                                columns=columns, stream="stderr")
    proxy.delete()
    assert code == 0 and target.read_bytes() == DATA[:1 << 20]
    return shown.split("\r\033[K")[1:]


def test_progress_on_a_terminal_only(start, nginx, toxiproxy, tmp_path):
    *drawn, last = slow_copy(start, nginx, toxiproxy, tmp_path / "copy", columns=100)
    assert len(drawn) > 1 and all("copy  [" in line and "%" in line for line in drawn)
    assert last.startswith("copy: 1.0 MiB in ") and last.endswith("/s\r\n")


@pytest.mark.parametrize("columns", [22, 40, 49, 60])
def test_progress_on_a_narrow_terminal_keeps_the_name(start, nginx, toxiproxy, tmp_path, columns):
    *drawn, _ = slow_copy(start, nginx, toxiproxy, tmp_path / "copy", columns)
    assert len(drawn) > 1
    assert all(line.startswith("copy  ") and "%" in line for line in drawn), drawn
    assert all(len(line) < columns for line in drawn), "a line that wraps can't be cleared"


def test_through_latency(r3map, minio, bucket, toxiproxy):
    minio.put_object(bucket, "object", DATA)
    proxy = toxiproxy.proxy(minio.address, latency_ms=100)
    result = r3map("cat", f"s3://{bucket}/object", env=minio.env | {"AWS_ENDPOINT_URL": proxy.url})
    proxy.delete()
    assert result.returncode == 0 and result.stdout == DATA


# ---------------------------------------------------------------- what fails

def test_usage(r3map):
    for arguments in ([], ["fly"], ["info"], ["cp", "memory:1"], ["cat", "x", "--offset", "-1"],
                      ["cat", "x", "--length", "1X"], ["info", "x", "-o", "novalue"],
                      ["info", "x", "-o", "=v"], ["info", "x", "--deadline", "soon"],
                      ["info", "x", "y"], ["info", "x", "--unknown"], ["completion", "csh"],
                      ["info", "x", "-o", "budget=1G"], ["stat", "x", "-o", "budget=much"],
                      ["stat", "x", "-o", "pull=some"], ["stat", "x", "-o", "priority=1"],
                      ["stat", "x", "-o", "fetch_limits=1"], ["info", "x", "-o", "deadline=-1"],
                      ["stat", "x", "--json", "--prometheus"], ["help", "fly"]):
        result = r3map(*arguments)
        assert result.returncode == 2 and result.stderr.startswith("r3map: "), arguments
        assert result.stdout == b""
    for arguments in (["--help"], ["cp", "--help"], ["--version"], ["help"], ["help", "cp"]):
        result = r3map(*arguments)
        assert result.returncode == 0 and result.stdout and result.stderr == ""


def test_a_wrong_command_names_the_right_ones(r3map):
    everything = "(commands: info, cat, cp, stat, trace, completion, help)"
    for wrong, said in ((["inof"], f"no command 'inof': did you mean 'info'? {everything}"),
                        (["-v", "xyzzy"], f"no command 'xyzzy' {everything}"),
                        (["help", "stats"], f"no command 'stats': did you mean 'stat'? {everything}")):
        assert r3map(*wrong).stderr == f"r3map: {said}\nTry 'r3map --help'.\n"


def refused(result, why, command=""):
    """Wrong usage, and where the right one stands."""
    where = f"help {command}" if command else "--help"
    assert result.stderr == f"r3map: {why}\nTry 'r3map {where}'.\n"
    assert result.returncode == 2 and result.stdout == b""


def wrong_usage(result, why):
    assert result.returncode == 2 and result.stdout == b""
    first, hint = result.stderr.splitlines()
    assert first.startswith("r3map: ") and why in first and hint.startswith("Try 'r3map help ")


def test_a_wrong_option_names_the_right_one(r3map):
    for before in (["--json"], ["-v", "--json"], ["--json=true"]):
        refused(r3map(*before, "info", "memory:1"), f"{before[-1]} comes after the command", "info")
    refused(r3map("--offset", 3, "cat", "x"), "--offset comes after the command")
    for wrong, hint in (("--jsn", ": did you mean '--json'?"), ("--xyzzy=1", ""), ("-z", "")):
        refused(r3map("info", wrong, "memory:1"),
                f"'info' has no option '{wrong.split('=')[0]}'{hint}", "info")
    refused(r3map("cp", "x", "y", "z"), "one argument too many: 'z'", "cp")
    refused(r3map("cp"), "URL is required", "cp")


def test_nothing_is_written_to_a_url(r3map, tmp_path):
    (tmp_path / "object").write_bytes(b"x")
    for source in (tmp_path / "object", "s3://from/here"):
        for url in ("s3://data/x", "http://host/x", "file:///x"):
            refused(r3map("cp", source, url), "FILE can't be a URL: r3map only reads", "cp")
    refused(r3map("trace", "x", "--png", "s3://data/x"), "FILE can't be a URL: r3map only reads",
            "trace")
    (tmp_path / "s3:").mkdir()
    assert r3map("cp", tmp_path / "object", "./s3://x", cwd=tmp_path).returncode == 0


def test_a_file_without_a_folder_is_no_url(r3map, tmp_path):
    (tmp_path / "a.f32").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.f32").write_bytes(b"x")
    for name in ("a.f32", "in/a.f32"):
        for command in ("info", "cat", "stat"):
            refused(r3map(command, name, cwd=tmp_path),
                    f"'{name}' is no URL: for the file write ./{name}", command)
        assert r3map("cat", f"./{name}", cwd=tmp_path).stdout == b"x"
    wrong_usage(r3map("info", "none.f32", cwd=tmp_path), "malformed URL 'none.f32'")


def test_missing_things(r3map, minio, bucket, nginx, tmp_path):
    for url, env in ((f"s3://{bucket}/none", minio.env),
                     (f"s3://{bucket}-none/x", minio.env),
                     (f"{nginx.url}/none", {}),
                     (f"file://{tmp_path}/none", {})):
        for arguments in (["info", url], ["cat", url], ["cp", url, tmp_path / "copy"]):
            failed(r3map(*arguments, env=env), url)
    assert os.listdir(tmp_path) == []


def test_wrong_credentials(r3map, minio, bucket):
    minio.put_object(bucket, "object", b"x")
    url = f"s3://{bucket}/object"
    for wrong in ({"AWS_SECRET_ACCESS_KEY": "wrong"}, {"AWS_ACCESS_KEY_ID": "nobody"}):
        failed(r3map("cat", url, env=minio.env | wrong), url)
    failed(r3map("cat", url, "-o", "anon=true", env=minio.env), url)


def test_bad_urls_and_options(r3map, minio):
    for arguments, why in (
            (["nothing://x"], "open nothing://x: unknown scheme 'nothing'"),
            (["s3://a"], "open s3://a: the URL names no key"),
            (["memory:1", "-o", "no_such_option=1"], "unknown option 'no_such_option'"),
            (["s3://a/b", "-o", "endpont_url=x"], "did you mean 'endpoint_url'?"),
            (["s3://a/b", "-o", "anon=perhaps"], "anon is true or false, not 'perhaps'")):
        for command in ("info", "cat", "stat"):
            wrong_usage(r3map(command, *arguments), why)
    for option, why in (("chunk_size=3", "chunk size 3: not a power of two"),
                        ("budget=500", "budget 500: less than the least"),
                        ("fetch_limits=1,1", "fetch limits: less than 4 KiB"),
                        (f"pull_order={__file__}", "not a trace of r3map")):
        wrong_usage(r3map("stat", "memory:1", "-o", option), why)
    failed(r3map("stat", "memory:1", "-o", "pull_order=none"), "none")
    failed(r3map("cp", "http://localhost/", "/tmp", "--deadline", "2"))
    result = r3map("info", "/none", "--json")
    failed(result, "/none")
    assert result.stdout == b""


def test_what_the_store_refuses_is_no_wrong_usage(r3map, fault_server):
    url = fault_server.url("status", code=400)
    for command in ("info", "stat"):
        failed(r3map(command, url), "400")
    failed(r3map("info", fault_server.url("status", code=403)), "403")
    failed(r3map("cat", fault_server.url("status", code=400, after=2, size=SIZE),
                 stdout=subprocess.DEVNULL), "400")


def test_nobody_listens(r3map):
    port, = servers.free_ports(1)
    failed(r3map("info", f"http://127.0.0.1:{port}/x", "--deadline", 2), str(port))


def test_the_object_changes_during_the_copy(r3map, fault_server, tmp_path):
    url = fault_server.url("etag-changes", size=SIZE, after=4)
    failed(r3map("cp", url, tmp_path / "copy", "--deadline", 10), url)
    assert os.listdir(tmp_path) == []


def test_the_object_vanishes_during_the_copy(r3map, fault_server, tmp_path):
    (tmp_path / "copy").write_bytes(b"as it was")
    failed(r3map("cp", fault_server.url("vanishes", size=SIZE, after=4), tmp_path / "copy",
                 "--deadline", 10))
    assert os.listdir(tmp_path) == ["copy"] and (tmp_path / "copy").read_bytes() == b"as it was"


def test_stalled_server(r3map, fault_server, tmp_path):
    url = fault_server.url("stall-before-headers", size=SIZE, after=3)
    begin = time.monotonic()
    failed(r3map("cp", url, tmp_path / "copy", "--deadline", 2), url,
           "(--deadline gives it more time)")
    assert time.monotonic() - begin > 1.5
    assert os.listdir(tmp_path) == []


def test_a_slow_line_is_none_that_fails(r3map, fault_server, tmp_path):
    url = fault_server.url("drip", size=SIZE, n=64 << 10, ms=40)
    begin = time.monotonic()
    assert r3map("cp", url, tmp_path / "copy", "--deadline", 1).returncode == 0
    assert time.monotonic() - begin > 1, "there was no deadline to miss"
    assert (tmp_path / "copy").stat().st_size == SIZE


def test_server_killed_during_the_copy(start, mortal, tmp_path):
    url = mortal.url("stall-in-body", size=SIZE, after=3)
    process = start("cp", url, tmp_path / "copy", "--deadline", "3", stderr=subprocess.PIPE)
    wait_for(lambda: len(mortal.requests(url)) >= 4)
    assert os.listdir(tmp_path)[0].startswith(".copy.")
    mortal.process.kill()
    assert process.wait(60) == 1
    assert process.stderr.read().startswith(b"r3map: ")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT,
                                    signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2,
                                    signal.SIGXCPU])
def test_signals(start, fault_server, tmp_path, number):
    def prepare():
        signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    url = fault_server.url("stall-in-body", size=SIZE, after=3)
    process = start("cp", url, tmp_path / "copy", stderr=subprocess.PIPE, preexec_fn=prepare)
    wait_for(lambda: len(fault_server.requests(url)) >= 4)
    process.send_signal(number)
    assert process.wait(10) == -number
    assert process.stderr.read() == b"" and os.listdir(tmp_path) == []


def test_interrupted_while_it_opens(start, fault_server):
    url = fault_server.url("stall-before-headers")
    process = start("info", url)
    wait_for(lambda: fault_server.requests(url))
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT


def test_interrupted_while_the_pipe_is_full(start, tmp_path):
    (tmp_path / "object").write_bytes(DATA)
    reader, writer = os.pipe()
    process = start("cat", tmp_path / "object", stdout=writer)
    os.close(writer)
    os.read(reader, 1)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    os.close(reader)


@pytest.mark.parametrize("ignored", [False, True])
def test_nobody_reads_the_output(start, tmp_path, ignored):
    (tmp_path / "object").write_bytes(DATA)
    reader, writer = os.pipe()
    action = signal.SIG_IGN if ignored else signal.SIG_DFL
    process = start("cat", tmp_path / "object", stdout=writer, stderr=subprocess.PIPE,
                    restore_signals=False, preexec_fn=lambda: signal.signal(signal.SIGPIPE, action))
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    # As cat | head does it: silently, unless whoever started it wants to hear of it.
    assert process.wait(10) == (1 if ignored else -signal.SIGPIPE)
    assert process.stderr.read() == (b"r3map: write standard output: broken pipe\n" if ignored
                                     else b"")


def test_disk_full(r3map, tmp_path):
    (tmp_path / "object").write_bytes(DATA)
    with open("/dev/full", "wb") as full:
        for arguments in (["cat", tmp_path / "object"], ["info", tmp_path / "object"],
                          ["stat", tmp_path / "object"], ["cp", tmp_path / "object", "-"],
                          ["--help"], ["--version"], ["help", "--man"]):
            failed(r3map(*arguments, stdout=full), "no space left on device")
    failed(r3map("cp", tmp_path / "object", "/dev/full"), "/dev/full", "no space left on device")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    failed(r3map("cp", tmp_path / "object", tmp_path / "copy", preexec_fn=limit), "too large")
    assert os.listdir(tmp_path) == ["object"]


def test_places_that_can_not_be_written(r3map, tmp_path):
    (tmp_path / "object").write_bytes(b"x")
    failed(r3map("cp", tmp_path / "object", tmp_path / "no/such/folder"), "no/such/folder")
    (tmp_path / "dangling").symlink_to("nothing")
    failed(r3map("cp", tmp_path / "object", tmp_path / "dangling"), "dangling")
    (tmp_path / "folder/object").mkdir(parents=True)
    failed(r3map("cp", tmp_path / "object", tmp_path / "folder"), "directory")


# ---------------------------------------------------------------- pictures and statistics

def test_stat(r3map, source):
    url, env = source
    result = r3map("stat", url, "--json", env=env)
    stats = json.loads(result.stdout)
    assert result.returncode == 0 and result.stderr == ""
    assert stats["url"] == url and stats["size"] == stats["fetched"] == SIZE
    assert stats["resident"] >= SIZE and stats["failed_requests"] == 0
    metrics = r3map("stat", url, "--prometheus", env=env).stdout.decode()
    assert f'r3map_region_size_bytes{{region="1",url="{url}"}} {SIZE}\n' in metrics
    result = r3map("stat", url, env=env | {"LC_ALL": "C"})
    lines = result.stdout.decode().splitlines()
    assert lines[0] == f"url:      {url}"
    assert lines[-8:] == ["|" + 78 * "#" + "|"] * 8


def test_sizes_are_shown_as_they_are_given(r3map):
    text = r3map("stat", "memory:1M", "-o", "budget=16M").stdout.decode()
    assert "size:     1.0 MiB\n" in text and "budget:   16 MiB\n" in text
    assert "in 1 request, " in r3map("stat", "memory:1").stdout.decode()
    for size, shown in (("1023", ""), ("1K", " (1.0 KiB)"), ("1047552", " (1023 KiB)"),
                        ("1048575", " (1.0 MiB)"), ("10G", " (10 GiB)"), ("1536M", " (1.5 GiB)")):
        lines = r3map("info", f"memory:{size}").stdout.decode().splitlines()
        assert lines[1].partition(" (")[2] == shown.removeprefix(" ("), size


def test_a_trace_of_another_object(r3map, tmp_path):
    trace = tmp_path / "trace"
    r3map("stat", "memory:2M", "-o", f"trace={trace}")
    assert r3map("stat", "memory:2M", "-o", f"pull_order={trace}").stderr == ""
    result = r3map("stat", "memory:1M", "-o", "pull_order=", "-o", f"pull_order={trace}", "--json")
    assert result.returncode == 0 and json.loads(result.stdout)["resident"] == 1 << 20
    assert result.stderr == (f"r3map: warning: -o pull_order={trace}: a trace of an object of "
                             "2097152 bytes, this object has 1048576\n")


def test_stat_of_a_part(r3map, tmp_path):
    (tmp_path / "object").write_bytes(DATA)
    result = r3map("stat", tmp_path / "object", "-o", "pull=none", "-o", "priority=0+1M,4M+4096",
                   "--json")
    assert json.loads(result.stdout)["resident"] == (1 << 20) + 4096
    result = r3map("stat", tmp_path / "object", "-o", "budget=4M", "-o", "chunk_size=64K",
                   "-o", "fetch_limits=2,1M", "-o", "deadline=5", "--json")
    stats = json.loads(result.stdout)
    assert stats["budget"] == 4 << 20 and 0 < stats["resident"] <= 4 << 20
    (tmp_path / "empty").write_bytes(b"")
    assert json.loads(r3map("stat", tmp_path / "empty", "--json").stdout)["resident"] == 0
    assert r3map("stat", tmp_path / "empty").returncode == 0


def test_stat_watch(start, nginx, toxiproxy):
    url = nginx.put("object", DATA)
    proxy = toxiproxy.proxy(nginx.address, bytes_per_second=20 << 20)
    shown, code = on_a_terminal(start, "stat", "--watch", url.replace(nginx.url, proxy.url))
    proxy.delete()
    assert code == 0
    assert "in flight" in shown and "\033[9A" in shown  # drawn again at its place
    assert shown.endswith(("│" + 58 * "█" + "│\r\n") * 8)


def test_stat_of_what_fails(r3map, start, fault_server, tmp_path):
    failed(r3map("stat", tmp_path / "none"), "none")
    failed(r3map("stat", fault_server.url("vanishes", size=SIZE, after=2), "--deadline", 5),
           "deleted")
    url = fault_server.url("stall-in-body", size=SIZE, after=3)
    process = start("stat", url, stderr=subprocess.PIPE)
    wait_for(lambda: len(fault_server.requests(url)) >= 4)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT and process.stderr.read() == b""


def test_a_trace_and_its_picture(r3map, start, tmp_path):
    (tmp_path / "object").write_bytes(DATA)
    trace = tmp_path / "trace"
    r3map("stat", tmp_path / "object", "-o", "pull=none", "-o", "priority=1M+1M", "-o",
          f"trace={trace}")
    about = json.loads(r3map("trace", trace, "--json").stdout)
    assert about["size"] == SIZE and about["touched"] == 1 << 20
    shown, code = on_a_terminal(start, "trace", trace, columns=80)
    assert code == 0 and "touched:  1.0 MiB (5 %)" in shown and "│   ░███▒  " in shown
    assert r3map("stat", tmp_path / "object", "-o", f"pull_order={trace}").returncode == 0

    # Down the object and up again, in twenty steps of a tenth of a second.
    steps = [*range(10), *reversed(range(10))]
    trace.write_text("r3map-trace 1 1000000\n" + "".join(
        f"{step * 100000} 100000 {number * 100}\n" for number, step in enumerate(steps)))
    lines = r3map("trace", trace, env={"LC_ALL": "C"}).stdout.decode().splitlines()[-20:]
    touched = [line.index("#") for line in lines]
    assert touched == sorted(touched[:10]) + sorted(touched[10:], reverse=True)

    result = r3map("trace", trace, "--png", tmp_path / "picture.png")
    assert result.returncode == 0 and b"ranges:   20" in result.stdout
    picture = (tmp_path / "picture.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n") and picture.endswith(b"IEND\xaeB`\x82")
    assert struct.unpack(">II", picture[16:24]) == (1024, 512)
    assert r3map("trace", trace, "--png", "-").stdout == picture


def test_a_picture_does_not_replace_its_trace(r3map, tmp_path):
    trace = tmp_path / "trace"
    trace.write_text("r3map-trace 1 8192\n0 4096 0\n")
    (tmp_path / "symbolic").symlink_to(trace)
    (tmp_path / "hard").hardlink_to(trace)
    before = trace.read_bytes()
    for name in ("trace", "./trace", "symbolic", "hard"):
        failed(r3map("trace", "trace", "--png", name, cwd=tmp_path), f"write {name}: ", "the trace")
        failed(r3map("trace", name, "--png", "trace", cwd=tmp_path), "write trace: ", "the trace")
        assert trace.read_bytes() == before
    (tmp_path / "copy").write_bytes(before)
    assert r3map("trace", trace, "--png", tmp_path / "copy").returncode == 0


def test_traces_that_are_none(r3map, tmp_path):
    failed(r3map("trace", tmp_path / "none"), "none")
    (tmp_path / "text").write_text("hello\n")
    failed(r3map("trace", tmp_path / "text"), "not a trace of r3map (line 1)")
    (tmp_path / "empty").write_text("r3map-trace 1 1\n")
    failed(r3map("trace", tmp_path / "empty", "--png", tmp_path / "no/folder.png"), "folder")


# ---------------------------------------------------------------- log, manual, completion

def test_verbose(r3map, fault_server, tmp_path):
    (tmp_path / "object").write_bytes(DATA)
    lines = r3map("stat", "-vv", tmp_path / "object").stderr.splitlines()
    assert [f"level=debug from=r3map msg={what} region={tmp_path}/object" in line
            for what, line in zip(("open", "close"), lines)] == [True, True]
    assert r3map("-v", "stat", tmp_path / "object").stderr == ""
    result = r3map("stat", "-v", "--json",
                   fault_server.url("503", size=SIZE, after=1, times=3))
    lines = result.stderr.splitlines()
    assert all('level=info from=r3map msg="a request is tried again"' in line and "503" in line
               for line in lines)
    assert json.loads(result.stdout)["retries"] == len(lines) >= 3
    lines = r3map("cat", "-vv", fault_server.url("503", size=SIZE, after=1, times=3),
                  stdout=subprocess.DEVNULL).stderr.splitlines()
    assert "msg=open" in lines[0] and len(lines) >= 4 and "tried again" in lines[1]
    log = tmp_path / "log"
    result = r3map("stat", "-v", tmp_path / "object", env={"R3MAP_LOG": f"debug:{log}"})
    assert result.stderr == "" and "msg=open" in log.read_text()
    result = r3map("info", tmp_path / "object", env={"R3MAP_LOG": "loud"})
    assert result.returncode == 0 and result.stderr.startswith("r3map: R3MAP_LOG: 'loud' is not")


def test_the_manual_is_a_man_page(r3map):
    page = r3map("help", "--man").stdout
    checked = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-"], input=page,
                             capture_output=True, check=True, env=os.environ | {"MANWIDTH": "80"})
    assert checked.stderr == b""
    for part in ("r3map cp URL FILE", "--deadline SECONDS", "chunk_size=SIZE", "R3MAP_LOG=LEVEL",
                 "EXIT STATUS", "s3://models/llama.safetensors", "endpoint_url=VALUE",
                 "where the store is", "K is 1024", ".NAME.XXXXXX", "has brought nothing"):
        assert part in checked.stdout.decode(), part


def test_bash_completes(r3map, tmp_path):
    script = tmp_path / "r3map.bash"
    script.write_bytes(r3map("completion", "bash").stdout)
    (tmp_path / "some file").touch()

    def complete(*words):
        """What bash offers for the last word: by its own machinery, as on a press of the tab key."""
        line = " ".join(words)
        ask = (f'source {script}; cd {tmp_path}; bind "set completion-query-items 0" 2>/dev/null; '
               f'COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; '
               f'COMP_LINE={line!r}; COMP_POINT={len(line)}; '
               '$(complete -p r3map | sed "s/.*-F \\([^ ]*\\).*/\\1/") 2>/dev/null; '
               'printf "%s\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "--norc", "-c", ask], capture_output=True, text=True,
                                check=True)
        return result.stdout.split()

    assert complete("r3map", "c") == ["cat", "cp", "completion"]
    assert complete("r3map", "-v", "tr") == ["trace"]
    assert complete("r3map", "cp", "--d") == ["--deadline"]
    assert complete("r3map", "trace", "x", "--p") == ["--png"]
    assert complete("r3map", "stat", "-o", "pu") == ["pull=", "pull_order="]
    assert complete("r3map", "info", "-o", "pu") == []  # only regions have these
    assert complete("r3map", "info", "-o", "end") == ["endpoint_url="]
    assert complete("r3map", "cp", "--option", "p") == ["pin=", "profile=", "proxy="]
    assert complete("r3map", "cat", "-o", "header") == ["header."]
    assert complete("r3map", "completion", "z") == ["zsh"]
    assert complete("r3map", "help", "sta") == ["stat"]
    assert complete("r3map", "cp", "so") == []  # readline's own: files
    bash_completes_on_a_terminal(script, tmp_path)


def test_every_option_of_a_store_is_completed(r3map):
    offered = r3map("completion", "bash").stdout.decode().replace("'", " ").split()
    page = r3map("help", "--man").stdout.decode()
    for url in ("s3://a/b", "http://a/b"):
        told = r3map("info", url, "-o", "quite_another=1").stderr.splitlines()[0]
        names = told.partition("there are: ")[2].split(", ")
        assert len(names) > 5
        for name in names:
            assert (name.removesuffix("NAME") if "." in name else f"{name}=") in offered
            assert f"\n\\fB{name}=\\fR" in page
    assert "it takes none" in r3map("info", "/dev/null", "-o", "quite_another=1").stderr


def bash_completes_on_a_terminal(script, folder):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["PS1"] = "> "
        os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
    shown = b""

    def see(text):
        nonlocal shown
        while text not in shown:
            shown += os.read(terminal, 4096)
        shown = b""

    os.write(terminal, f"source {script}; echo re''ady\n".encode())
    see(b"ready")
    os.write(terminal, b"r3map inf\t")
    see(b"info ")
    os.write(terminal, b"so\t")
    see(b"some\\ file")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete(r3map, tmp_path, shell):
    required.program(shell)
    script = tmp_path / "script"
    script.write_bytes(r3map("completion", shell).stdout)
    subprocess.run([shell, "-n", script], check=True)
    if shell == "fish":
        for line, offered in (("r3map co", "completion"), ("r3map cp --d", "--deadline"),
                              ("r3map stat -o pull_", "pull_order="),
                              ("r3map info -o end", "endpoint_url=")):
            result = subprocess.run(["fish", "-c", f"source {script}; complete -C '{line}'"],
                                    capture_output=True, text=True, check=True)
            assert result.stdout.split("\t")[0] == offered


def test_a_password_is_not_shown(r3map, nginx):
    url = nginx.put("secret", DATA[:1000]).replace("http://", "http://user:topsecret@")
    for arguments in (("info", url), ("info", "--json", url), ("stat", url),
                      ("cat", url, "--offset", 5000), ("info", url + "-gone")):
        done = r3map(*arguments)
        assert "user:***@" in done.stdout.decode() + done.stderr
        assert "topsecret" not in done.stdout.decode() + done.stderr
