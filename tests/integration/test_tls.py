"""TLS with an authority of our own: who is trusted, who is not, and what the refusal says."""

import os
import shutil
import subprocess
import sys

import pytest

import required
import servers
from authority import Authority

r3map = required.module("r3map")

DATA = servers.content(0, 300_000)


class TlsNginx(servers.Nginx):
    """One listener for each certificate, and one without TLS."""

    KINDS = ("good", "misnamed", "expired", "plain")
    port_count = len(KINDS)

    def listeners(self):
        self.authority = Authority(self.folder / "authority")
        self.authority.sign("good", "IP:127.0.0.1", "21000101000000Z")
        self.authority.sign("misnamed", "DNS:elsewhere.example", "21000101000000Z")
        self.authority.sign("expired", "IP:127.0.0.1", "20200102000000Z")
        return "".join(
            f"""server {{ listen {self.address_of(kind)} {"" if kind == "plain" else "ssl"};
                root {self.root}; {"" if kind == "plain" else self.certificate(kind)} }}"""
            for kind in self.KINDS)

    def certificate(self, kind):
        folder = self.authority.folder
        return f"ssl_certificate {folder}/{kind}.pem; ssl_certificate_key {folder}/{kind}.key;"

    def address_of(self, kind):
        return f"127.0.0.1:{self.ports[self.KINDS.index(kind)]}"

    @property
    def trust(self):
        return {"ca_bundle": str(self.authority.path)}


@pytest.fixture(scope="module")
def tls():
    required.program("openssl")
    with required.server(TlsNginx) as server:
        (server.root / "bucket").mkdir()
        server.put("bucket/object", DATA)
        yield server


def url(tls, kind, scheme="https"):
    return f"{scheme}://{tls.address_of(kind)}/bucket/object"


def test_a_trusted_authority(tls):
    with r3map.open(url(tls, "good"), storage_options=tls.trust) as region:
        assert region.read() == DATA


def test_s3(tls):
    options = {"endpoint_url": f"https://{tls.address_of('good')}", "anon": True}
    with r3map.open("s3://bucket/object", storage_options=options | tls.trust) as region:
        assert region.read() == DATA
    with pytest.raises(r3map.AccessError, match="certificate"):
        r3map.open("s3://bucket/object", storage_options=options)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_environment_names_the_system_s_authorities(tls, tmp_path, variable):
    code = f"import r3map; print(len(r3map.open({url(tls, 'good')!r}).read()))"
    place = tls.authority.path
    if variable == "SSL_CERT_DIR":
        place = tmp_path
        shutil.copy(tls.authority.path, place)
        subprocess.run(["openssl", "rehash", place], check=True, capture_output=True, timeout=60)
    env = {name: value for name, value in os.environ.items() if not name.startswith("SSL_CERT_")}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90,
                            check=False, env=env | {variable: str(place)})
    assert result.stdout.strip() == str(len(DATA)), result.stderr


@pytest.mark.parametrize("kind, trusted, message", [
    ("good", False, r"certificate.*\(ca_bundle= names other authorities\)$"),
    ("misnamed", True, "certificate.*host name"),
    ("expired", True, "certificate.*expired$"),
])
def test_refusals(tls, kind, trusted, message):
    options = tls.trust if trusted else {}
    for call in (r3map.open, r3map.info):
        with pytest.raises(r3map.AccessError, match=message):
            call(url(tls, kind), storage_options=options)


def test_a_bundle_replaces_the_system_s(tls, tmp_path):
    other = Authority(tmp_path / "other")
    with pytest.raises(r3map.AccessError, match="certificate"):
        r3map.open(url(tls, "good"), storage_options={"ca_bundle": str(other.path)})


@pytest.mark.parametrize("kind", ["good", "misnamed", "expired"])
def test_verify_false(tls, kind):
    with r3map.open(url(tls, kind), storage_options={"verify": False}) as region:
        assert region.read() == DATA


def test_one_trust_is_not_lent_to_the_next(tls):
    """Neither connections nor handles carry over what another open trusted."""
    for options in (tls.trust, {"verify": False}, tls.trust):
        assert r3map.open(url(tls, "good"), storage_options=options)[:100] == DATA[:100]
        with pytest.raises(r3map.AccessError, match="certificate"):
            r3map.open(url(tls, "good"))


def test_the_wrong_protocol(tls):
    with pytest.raises(r3map.NetworkError, match=r"TLS: .*\(no TLS there: http://\?\)$"):
        r3map.open(url(tls, "plain"), storage_options=tls.trust)
    plain = tls.address_of("good")
    for name, options in ((f"http://{plain}/bucket/object", {}),
                          ("s3://bucket/object", {"endpoint_url": f"http://{plain}",
                                                  "anon": True})):
        with pytest.raises(r3map.UnsupportedError, match=r"400.*TLS there: https://\?"):
            r3map.open(name, storage_options=options)
