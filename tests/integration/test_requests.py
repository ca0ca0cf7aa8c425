"""What options add to requests, and where requests go: object versions, customers' keys, proxies,
redirects and regions, on real servers."""

import base64
import gzip
import hashlib
import os
import random
import shutil
import subprocess
import sys
import textwrap

import pytest

import required
import servers
from authority import Authority

r3map = required.module("r3map")

DATA = servers.content(0, 300_000)
OTHER = servers.content(0, 300_000, version=2)


def read(url, **options):
    with r3map.open(url, storage_options=options) as region:
        return region.read()


# ---------------------------------------------------------------- the bucket's place

class VirtualMinIO(servers.MinIO):
    """Takes a bucket as a part of its host's name as well."""

    @property
    def endpoint(self):
        return f"http://localhost:{self.port}"

    def environment(self):
        return super().environment() | {"MINIO_DOMAIN": "localhost"}


def test_a_bucket_in_the_hosts_name():
    with required.server(VirtualMinIO) as minio:
        minio.create_bucket("bucket")
        minio.put_object("bucket", "a key", DATA)
        virtual = minio.storage_options | {"addressing_style": "virtual"}
        assert read("s3://bucket/a key", **virtual) == DATA
        with pytest.raises(r3map.NotFoundError, match=f"http://bucket.localhost:{minio.port}/none"):
            read("s3://bucket/none", **virtual)
        with pytest.raises(r3map.InvalidError, match="is an address and takes no bucket"):
            read("s3://bucket/a key", **virtual | {"endpoint_url": f"http://{minio.address}"})


# ---------------------------------------------------------------- versions

@pytest.fixture
def versions(minio, bucket):
    """Two versions of one object, DATA and then OTHER, on MinIO: their ids."""
    servers.s3_request("PUT", minio.endpoint, f"/{bucket}", query="versioning=", data=(
        b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"))
    return [servers.s3_request("PUT", minio.endpoint, f"/{bucket}/object", data)[0]
            ["x-amz-version-id"] for data in (DATA, OTHER)]


def test_a_version_by_its_id(minio, bucket, versions):
    url = f"s3://{bucket}/object"
    assert read(url, **minio.storage_options) == OTHER
    for version, data in zip(versions, (DATA, OTHER)):
        assert read(url, **minio.storage_options, version_id=version) == data


def test_a_version_outlives_its_successors(minio, bucket, versions):
    url = f"s3://{bucket}/object"
    with r3map.open(url, storage_options=minio.storage_options | {"version_id": versions[1]}) as old, \
            r3map.open(url, storage_options=minio.storage_options) as newest:
        servers.s3_request("PUT", minio.endpoint, f"/{bucket}/object", DATA)
        servers.s3_request("DELETE", minio.endpoint, f"/{bucket}/object")
        assert old.read() == OTHER
        with pytest.raises(r3map.StaleError):
            newest.read()
    with pytest.raises(r3map.NotFoundError):
        r3map.open(url, storage_options=minio.storage_options)


def test_a_version_that_is_not_there(minio, bucket, versions):
    url, gone = f"s3://{bucket}/object", versions[0]
    servers.s3_request("DELETE", minio.endpoint, f"/{bucket}/object", query=f"versionId={gone}")
    with pytest.raises(r3map.NotFoundError, match="no such version"):
        r3map.open(url, storage_options=minio.storage_options | {"version_id": gone})


def test_a_bucket_without_versions(minio, bucket):
    minio.put_object(bucket, "object", DATA)
    assert read(f"s3://{bucket}/object", **minio.storage_options, version_id="null") == DATA


def test_an_object_with_an_encoding_is_read_as_it_is_stored(minio, bucket):
    packed = gzip.compress(random.Random(1).randbytes(len(DATA)))
    servers.s3_request("PUT", minio.endpoint, f"/{bucket}/packed", packed,
                       headers={"Content-Encoding": "gzip"})
    assert servers.head_object(minio.endpoint, bucket, "packed")["content-encoding"] == "gzip"
    assert len(packed) > 1 << 17  # of several answers
    assert read(f"s3://{bucket}/packed", **minio.storage_options) == packed


# ---------------------------------------------------------------- errors

@pytest.mark.parametrize("wrong, said", [
    ({"secret": "wrong"}, "signature is wrong.*SignatureDoesNotMatch, 403, request id .*…test"),
    ({"key": "nobody-1234"}, "does not know the key.*InvalidAccessKeyId.*…1234"),
    ({"key": None, "secret": None, "anon": True}, "AccessDenied.*asked without credentials"),
])
def test_a_refusal_says_what_to_do(minio, bucket, wrong, said):
    minio.put_object(bucket, "object", DATA)
    options = {name: value for name, value in (minio.storage_options | wrong).items() if value}
    with pytest.raises(r3map.AccessError, match=said) as refused:
        r3map.open(f"s3://{bucket}/object", storage_options=options)
    assert servers.SECRET_KEY not in str(refused.value)


def test_what_is_not_there(minio, bucket):
    with pytest.raises(r3map.NotFoundError, match=r"no such key \(NoSuchKey, 404, request id \w+\)"):
        r3map.open(f"s3://{bucket}/object", storage_options=minio.storage_options)
    with pytest.raises(r3map.NotFoundError, match="no such bucket.*check its name"):
        r3map.open("s3://nowhere-at-all/object", storage_options=minio.storage_options)


# ---------------------------------------------------------------- a customer's key

class TlsMinIO(servers.MinIO):
    def command(self):
        self.authority = Authority(self.folder / "authority")
        self.authority.sign("good", "IP:127.0.0.1", "21000101000000Z")
        certificates = self.folder / "certificates"
        certificates.mkdir()
        shutil.copy(self.authority.folder / "good.pem", certificates / "public.crt")
        shutil.copy(self.authority.folder / "good.key", certificates / "private.key")
        return [*super().command(), "--certs-dir", certificates]

    @property
    def endpoint(self):
        return f"https://{self.address}"

    def request(self, method, path, **how):
        return servers.s3_request(method, self.endpoint, path, ca=self.authority.path, **how)

    def is_ready(self):
        try:
            self.request("GET", "/", timeout=5)
            return True
        except (OSError, servers.S3Error):
            return False

    @property
    def storage_options(self):
        return super().storage_options | {"ca_bundle": str(self.authority.path)}


@pytest.fixture(scope="module")
def tls_minio():
    required.program("openssl")
    with required.server(TlsMinIO) as server:
        server.request("PUT", "/bucket")
        server.request("PUT", "/bucket/plain", data=DATA)
        yield server


KEY = bytes(range(32))


def encoded(data):
    return base64.b64encode(data).decode()


def test_an_object_encrypted_with_a_customers_key(tls_minio):
    prefix = "x-amz-server-side-encryption-customer-"
    tls_minio.request("PUT", "/bucket/locked", data=DATA, headers={
        prefix + "algorithm": "AES256", prefix + "key": encoded(KEY),
        prefix + "key-md5": encoded(hashlib.md5(KEY).digest())})
    options = tls_minio.storage_options
    assert read("s3://bucket/locked", **options, sse_customer_key=encoded(KEY)) == DATA
    for wrong in ({}, {"sse_customer_key": encoded(KEY[::-1])}):
        with pytest.raises(r3map.AccessError, match="customer's key|AccessDenied") as refused:
            r3map.open("s3://bucket/locked", storage_options=options | wrong)
        assert all(key not in str(refused.value) for key in wrong.values())


# ---------------------------------------------------------------- proxies

@pytest.fixture
def proxy():
    with required.server(servers.Tinyproxy) as server:
        yield server


@pytest.fixture
def guarded_proxy():
    with required.server(servers.Tinyproxy, True) as server:
        yield server


def open_in_child(url, options, env):
    """What opening `url` says in a process with this environment."""
    code = textwrap.dedent("""
        import ast, sys, r3map
        try:
            print(len(r3map.open(sys.argv[1], storage_options=ast.literal_eval(sys.argv[2])).read()))
        except r3map.Error as error:
            print(error)
        """)
    done = subprocess.run([sys.executable, "-c", code, url, repr(options)], capture_output=True,
                          text=True, timeout=90, check=True, env=os.environ | env)
    return done.stdout.strip()


def test_a_proxy_by_option(nginx, minio, bucket, proxy):
    url = nginx.put("by-proxy", DATA)
    assert read(url, proxy=proxy.url) == DATA
    asked = proxy.requests()
    assert asked and all(line.startswith(f"GET {url} HTTP/1.") for line in asked)
    minio.put_object(bucket, "object", DATA)
    assert read(f"s3://{bucket}/object", **minio.storage_options, proxy=proxy.url) == DATA
    assert len(proxy.requests()) > len(asked)


def test_a_proxy_passes_tls_through(tls_minio, proxy):
    assert read("s3://bucket/plain", **tls_minio.storage_options, proxy=proxy.url) == DATA
    assert {line.split()[0] for line in proxy.requests()} == {"CONNECT"}


def test_a_proxy_by_the_environment(nginx, tls_minio, proxy):
    url = nginx.put("by-proxy", DATA)
    assert open_in_child(url, {}, {"http_proxy": proxy.url}) == str(len(DATA))
    asked = len(proxy.requests())
    assert asked > 0
    assert open_in_child("s3://bucket/plain", tls_minio.storage_options,
                         {"https_proxy": proxy.url}) == str(len(DATA))
    assert len(proxy.requests()) > asked
    asked = len(proxy.requests())
    past = {"http_proxy": proxy.url, "no_proxy": "127.0.0.1"}
    assert open_in_child(url, {}, past) == str(len(DATA))
    assert len(proxy.requests()) == asked
    assert open_in_child(url, {"proxy": proxy.url}, past) == str(len(DATA))
    assert len(proxy.requests()) > asked, "the option goes before the environment"


def test_a_dead_proxy_is_named():
    dead = "http://user:topsecret@127.0.0.1:1"
    for scheme in ("http", "https"):
        for options, env in (({"proxy": dead}, {}), ({}, {f"{scheme}_proxy": dead})):
            said = open_in_child(f"{scheme}://example.org/x", options, env)
            assert "proxy 127.0.0.1:1: can't connect: connection refused" in said
            assert "topsecret" not in said


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_proxy_with_a_login(nginx, tls_minio, guarded_proxy, secure):
    url = nginx.put("by-proxy", DATA)
    options = {}
    if secure:
        url, options = "s3://bucket/plain", tls_minio.storage_options
    assert read(url, **options, proxy=guarded_proxy.url_with_login) == DATA
    for login in ("", f"{guarded_proxy.user}:wrong-secret@"):
        # RFC 9110 has 407 for this, Tinyproxy 401, which is the server's own where it is plain HTTP.
        refusal = "the proxy wants a login" if secure else "40[17]"
        with pytest.raises(r3map.AccessError, match=refusal) as refused:
            read(url, **options, proxy=f"http://{login}{guarded_proxy.address}")
        assert "secret" not in str(refused.value)


# ---------------------------------------------------------------- redirects

class RedirectingNginx(servers.Nginx):
    """The second host redirects to the first one."""

    port_count = 2

    def listeners(self):
        return super().listeners() + f"""server {{ listen 127.0.0.1:{self.ports[1]};
            location /inside {{ return 301 /outside; }}
            location /outside {{ return 302 {self.url}/object; }}
            location /locked {{ if ($http_authorization = "") {{ return 401; }}
                                return 307 {self.url}/object; }}
            location /circle {{ return 308 /circle; }} }}"""


@pytest.fixture(scope="module")
def redirecting():
    with required.server(RedirectingNginx) as server:
        server.put("object", DATA)
        yield f"http://127.0.0.1:{server.ports[1]}"


def test_redirects(redirecting):
    assert read(f"{redirecting}/outside") == DATA
    assert read(f"{redirecting}/inside") == DATA
    with pytest.raises(r3map.Error, match="circle"):
        read(f"{redirecting}/circle")


def test_a_token_opens_the_way(redirecting):
    assert read(f"{redirecting}/locked", bearer="abc") == DATA
    assert read(f"{redirecting}/locked", **{"header.Authorization": "Negotiate abc"}) == DATA
    with pytest.raises(r3map.AccessError):
        read(f"{redirecting}/locked")


def test_another_region_is_found(minio, bucket):
    minio.put_object(bucket, "object", DATA)
    options = minio.storage_options | {"region": "eu-west-1"}  # MinIO is in us-east-1
    assert read(f"s3://{bucket}/object", **options) == DATA
