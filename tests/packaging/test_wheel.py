"""The wheel brings all it needs: it is tried on another Debian, with another Python."""

import http.server
import os
import re
import shutil
import ssl
import subprocess
import tarfile
import textwrap
import threading
import uuid
import zipfile

import pytest

import required
import servers
from authority import Authority

DATA = servers.content(0, (8 << 20) + 5)


@pytest.fixture(scope="module")
def run(debian, wheel):
    """Runs Python code there, in an environment that has the wheel and nothing else."""
    folder = debian / "tmp" / f"r3map-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    shutil.copy(wheel, folder)
    inside = f"/tmp/{folder.name}"

    def command(*words, env=None):
        # With /proc and /dev, in a mount namespace that is gone with the command.
        script = ('mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && '
                  'root=$1 && shift && exec chroot "$root" "$@"')
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", debian, *words],
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"} | (env or {}),
            capture_output=True, text=True, timeout=300, check=False)

    made = command("python3", "-m", "venv", f"{inside}/v")
    assert made.returncode == 0, made.stdout + made.stderr
    installed = command(f"{inside}/v/bin/pip", "install", "--no-index", "--no-deps",
                        f"{inside}/{wheel.name}")
    assert installed.returncode == 0, installed.stdout + installed.stderr

    def python(code, *arguments, env=None):
        done = command(f"{inside}/v/bin/python", "-W", "error", "-c", textwrap.dedent(code),
                       *arguments, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    yield python
    shutil.rmtree(folder)


def test_names(wheel):
    assert re.fullmatch(r"r3map-[0-9.]+-cp311-abi3-manylinux_2_\d+_x86_64\.whl", wheel.name)


def test_contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    assert not [n for n in names if n.endswith((".pyx", ".pxd", ".h", ".a", ".c", ".cpp"))]
    for needed in ("r3map/_r3map.abi3.so", "r3map/py.typed", "r3map/_r3map.pyi", "r3map/fsspec.py"):
        assert needed in names
    assert any("licenses/LICENSE" in n for n in names)
    for library in ("libcurl", "libuv", "libcrypto", "libssl"):
        assert any(re.match(rf"r3map\.libs/{library}", n) for n in names)
    assert "Version: " in metadata
    assert wheel.stat().st_size < 16 << 20  # seven of them are the libraries


def test_sdist(sdist):
    with tarfile.open(sdist) as archive:
        names = {n.partition("/")[2] for n in archive.getnames()}
    for needed in ("pyproject.toml", "CMakeLists.txt", "LICENSE", "src/r3map/_r3map.pyx",
                   "r3map/CMakeLists.txt", "r3map/core/CMakeLists.txt", "r3map/capi/r3map.map",
                   "r3map/include/r3map.h"):
        assert needed in names
    assert not [n for n in names if "tests/" in n or n.startswith("build")]


def test_there(run):
    assert run("""
        import asyncio, os, pickle, r3map
        path = "/tmp/r3map-file"
        with open(path, "wb") as file:
            file.write(os.urandom(5 << 20))
        with open(path, "rb") as file:
            data = file.read()
        with r3map.open(path) as region, memoryview(region) as view:
            assert view[-100:] == data[-100:] and region.read() == data
            assert not region.stats().eager
            assert pickle.loads(pickle.dumps(region))[:9] == data[:9]
        async def main():
            async with r3map.open_async(path) as region:
                return await region.read_async()
        assert asyncio.run(main()) == data
        os.unlink(path)
        print(r3map.info("memory:5").size)
        """) == "5\n"


def test_its_libraries_are_its_own(run):
    """Nothing comes from the system but what every Linux has, and Python itself."""
    mapped = run("""
        import r3map
        r3map.info("memory:5")
        with open("/proc/self/maps") as file:
            print("\\n".join({line.split()[-1] for line in file if ".so" in line}))
        """).split()
    ours = [path for path in mapped if "/r3map" in path.partition("site-packages")[2]]
    assert any("libcurl" in path for path in ours) and any("libr3map" in path for path in ours)
    system = {os.path.basename(path).partition(".so")[0] for path in mapped if path not in ours}
    assert not [name for name in system
                if re.match(r"lib(curl|uv|ssl|crypto|pugixml|nghttp2|ldap|gnutls|krb5)", name)]


def test_s3(run, minio):
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    minio.create_bucket(bucket)
    minio.put_object(bucket, "key", DATA)
    assert run("""
        import sys, r3map
        with r3map.open(sys.argv[1]) as region, memoryview(region) as view:
            print(sum(view[6 << 20:][:4096]), len(region.read()))
        try:
            r3map.open(sys.argv[1] + "-none")
        except FileNotFoundError as error:
            print("missing")
        """, f"s3://{bucket}/key", env=minio.env) == (
        f"{sum(DATA[6 << 20:][:4096])} {len(DATA)}\nmissing\n")


@pytest.fixture
def https(tmp_path):
    """A server with a certificate of our own authority, and that authority."""
    required.program("openssl")
    authority = Authority(tmp_path / "authority")
    authority.sign("server", "IP:127.0.0.1", "21000101000000Z")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "server.pem", authority.folder / "server.key")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/x", authority
    server.shutdown()
    thread.join()
    server.server_close()


def test_https(run, debian, https):
    """It finds that system's certificates, among which is not our authority's."""
    url, authority = https
    bundle = debian / "tmp" / f"r3map-{uuid.uuid4().hex[:8]}.pem"
    shutil.copy(authority.path, bundle)
    try:
        told = run("""
            import sys, r3map
            for options in {}, {"ca_bundle": sys.argv[2]}:
                try:
                    r3map.info(sys.argv[1], storage_options=options)
                except r3map.Error as error:
                    print(type(error).__name__, error)
            """, url, f"/tmp/{bundle.name}").splitlines()
    finally:
        bundle.unlink()
    assert told[0].startswith("AccessError") and "certificate" in told[0]
    assert "501" in told[1]  # what that server says to GET
