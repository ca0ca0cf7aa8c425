"""Files with known bytes, a web server that can stop answering, and child processes."""

import contextlib
import http.server
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time

import numpy
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests/support"))


def pattern(size, seed=1):
    """Bytes of which no two pages are alike."""
    return numpy.random.default_rng(seed).bytes(size)


@pytest.fixture
def folder():
    """As tmp_path, but other users can read it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="r3map-python-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make_file(folder):
    def make(size, seed=1):
        """(URL, bytes) of a new file."""
        data = pattern(size, seed)
        path = folder / f"{seed}-{size}"
        path.write_bytes(data)
        path.chmod(0o644)
        return f"file://{path}", data

    return make


class Web(http.server.ThreadingHTTPServer):
    """Serves `data` by ranges. Requests that reach beyond `stall_from` wait for `go_on`."""

    daemon_threads = True

    def __init__(self, data):
        super().__init__(("127.0.0.1", 0), Answer)
        self.data, self.stall_from, self.go_on = data, len(data), threading.Event()
        self.stalled = threading.Event()  # set once a request waits
        self.url = f"http://127.0.0.1:{self.server_port}/object"

    def handle_error(self, request, client_address):
        pass  # clients hang up as a matter of course


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        data, start, end = self.server.data, 0, len(self.server.data)
        span = self.headers.get("Range", "")
        if span.startswith("bytes="):
            first, _, last = span[6:].partition("-")
            start, end = int(first), min(end, int(last) + 1 if last else end)
        if end > self.server.stall_from and not self.server.go_on.is_set():
            self.server.stalled.set()
            self.server.go_on.wait()
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(data[start:end])

    def log_message(self, *args):
        pass


@pytest.fixture
def web():
    """A server of 8 MiB that answers everything until `stall_from` is set."""
    server = Web(pattern(8 << 20))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


@contextlib.contextmanager
def interrupted(after=0.3):
    """Presses Ctrl-C; what the block does has to end by KeyboardInterrupt soon."""
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    start = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    assert time.monotonic() - start >= after * 0.9


def in_child(function):
    """The exit code of a forked child that runs `function`: 0 if it returns."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(30)  # a child that hangs is killed by it
            function()
            code = 0
        except BaseException as error:  # noqa: BLE001
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_python(code, *arguments, **options):
    """Runs a program in another process; its result with text in stdout and stderr."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, cwd="/", check=False, **options)


# Code that makes its process an ordinary user's, once everything is imported: the interpreter and
# its modules may lie where such a user can't go.
DROP_PRIVILEGES = """
    import os
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    """
