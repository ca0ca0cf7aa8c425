"""fsspec's protocol as far as it needs no server: options, and what would write.

The rest is in tests/integration/test_fsspec.py.
"""

import base64
import os

import pytest
import required

import r3map

fsspec = required.module("fsspec")


def options(**given):
    """What r3map's S3 backend is given for options of s3fs."""
    fs = fsspec.filesystem("r3map", target_protocol="s3", target_options=given,
                           skip_instance_cache=True)
    return fs._of("bucket/key")


KEY = b"k" * 32
TRANSLATED = [
    ({"key": "k", "secret": "s", "token": "t", "anon": False, "profile": "p"},
     {"key": "k", "secret": "s", "token": "t", "anon": False, "profile": "p"}),
    ({"username": "k", "password": "s"}, {"key": "k", "secret": "s"}),
    ({"requester_pays": True}, {"requester_pays": True}),
    ({"region_name": "r"}, {"region": "r"}),
    ({"client_kwargs": {"endpoint_url": "http://x", "region_name": "r", "aws_access_key_id": "k",
                        "aws_secret_access_key": "s", "aws_session_token": "t"}},
     {"endpoint_url": "http://x", "region": "r", "key": "k", "secret": "s", "token": "t"}),
    ({"endpoint_url": "http://x", "client_kwargs": {"endpoint_url": "http://y"}},
     {"endpoint_url": "http://x"}),
    ({"client_kwargs": {"verify": False}}, {"verify": False}),
    ({"client_kwargs": {"verify": "/etc/ca.pem"}}, {"ca_bundle": "/etc/ca.pem"}),
    ({"client_kwargs": {"verify": "ca.pem"}}, {"ca_bundle": os.path.abspath("ca.pem")}),
    ({"client_kwargs": {"verify": None, "api_version": "x"}}, {}),
    ({"use_ssl": False}, {}),
    ({"use_ssl": False, "endpoint_url": "h:1"}, {"endpoint_url": "http://h:1"}),
    ({"use_ssl": True, "endpoint_url": "h:1"}, {"endpoint_url": "https://h:1"}),
    ({"endpoint_url": "h:1", "client_kwargs": {"use_ssl": False}}, {"endpoint_url": "http://h:1"}),
    ({"use_ssl": False, "endpoint_url": "https://h"}, {"endpoint_url": "https://h"}),
    ({"config_kwargs": {"s3": {"addressing_style": "path", "payload_signing_enabled": True}}},
     {"addressing_style": "path"}),
    ({"config_kwargs": {"signature_version": "s3v4", "retries": {"max_attempts": 3},
                        "max_pool_connections": 50, "connect_timeout": 5, "region_name": "r"}},
     {"region": "r"}),
    ({"config_kwargs": {"signature_version": "unsigned"}}, {"anon": True}),
    ({"config_kwargs": {"proxies": {"https": "http://p:1", "http": "http://p:2"}}},
     {"proxy": "http://p:1"}),
    ({"endpoint_url": "http://x", "config_kwargs": {"proxies": {"https": "p:1", "http": "p:2"}}},
     {"endpoint_url": "http://x", "proxy": "http://p:2"}),
    ({"s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "ACL": "private",
                               "RequestPayer": "requester", "VersionId": "v"}},
     {"requester_pays": True, "version_id": "v"}),
    ({"s3_additional_kwargs": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}},
     {"sse_customer_key": base64.b64encode(KEY).decode()}),
    ({"s3_additional_kwargs": {"SSECustomerKey": "done", "SSECustomerKeyMD5": "x"}},
     {"sse_customer_key": "done"}),
    ({"version_aware": True, "max_concurrency": 3, "default_block_size": 5, "cache_regions": True,
      "default_cache_type": "none", "fixed_upload_size": True, "local_expiry_check": True,
      "use_listings_cache": False, "asynchronous": False, "session": None}, {}),
]


@pytest.mark.parametrize(("given", "wanted"), TRANSLATED, ids=lambda value: None)
def test_options_of_s3fs(given, wanted):
    assert options(**given) == wanted


def test_botocores_unsigned():
    botocore = required.module("botocore")
    assert options(config_kwargs={"signature_version": botocore.UNSIGNED}) == {"anon": True}


@pytest.mark.parametrize(("given", "named"), [
    ({"session": object()}, "session.*profile"),
    ({"client_kwargs": {"config": object()}}, "client_kwargs: config"),
    ({"client_kwargs": {"anything": 1}}, "client_kwargs: anything"),
    ({"config_kwargs": {"signature_version": "s3"}}, "signature_version='s3'.*version 4"),
    ({"config_kwargs": {"s3": {"use_accelerate_endpoint": True}}}, "use_acc.*endpoint_url"),
    ({"config_kwargs": {"use_dualstack_endpoint": True}}, "use_dualstack_.*endpoint_url"),
    ({"config_kwargs": {"client_cert": "x"}}, "client_cert"),
    ({"config_kwargs": {"anything": 1}}, "config_kwargs: anything"),
    ({"s3_additional_kwargs": {"ExpectedBucketOwner": "1"}}, "ExpectedBucketOwner"),
    ({"s3_additional_kwargs": {"SSECustomerAlgorithm": "x"}}, "only AES256"),
    ({"key": "k", "username": "u"}, "either key or username"),
])
def test_options_of_s3fs_that_can_not_be_kept(given, named):
    with pytest.raises(r3map.InvalidError, match=named):
        options(**given)


def test_options_of_s3fs_of_a_wrong_type():
    for given in ({"client_kwargs": 5}, {"config_kwargs": {"s3": 5}},
                  {"client_kwargs": {"verify": 5}}):
        with pytest.raises(TypeError):
            options(**given)


def test_r3maps_own_options_go_first():
    fs = fsspec.filesystem("r3map", target_protocol="s3",
                           target_options={"key": "k", "client_kwargs": {"region_name": "r"}},
                           storage_options={"region": "x", "client_kwargs": {"verify": False}})
    assert fs._of("b/k") == {"key": "k", "region": "x", "verify": False}


def test_options_of_the_store_have_their_place():
    with pytest.raises(r3map.InvalidError, match=r'{"s3": {"endpoint_url": …, "key": …}}'):
        fsspec.open("r3map::s3://b/k", endpoint_url="http://x", key="k")
    with pytest.raises(r3map.InvalidError, match=r'storage_options={"endpoint_url": …}'):
        fsspec.open("r3map://s3://b/k", endpoint_url="http://x")


def test_version_ids():
    for aware in (False, True):
        fs = fsspec.filesystem("r3map", target_protocol="s3",
                               target_options={"version_aware": aware})
        path = "b/k?versionId=v?&"
        assert fs.url(path) == ("s3://b/k" if aware else f"s3://{path}")
        assert fs._of(path) == ({"version_id": "v?&"} if aware else {})
        assert fs._of("b/k") == {}


def test_a_file_to_write_is_refused_as_that(folder):
    with pytest.raises(r3map.ReadOnlyError, match="write to .*: r3map only reads"):
        fsspec.open(f"r3map::file://{folder}/file", "w")


def test_what_would_write(folder):
    path = str(folder / "file")
    (folder / "file").write_text("there")
    fs = fsspec.filesystem("r3map")
    for call in (
        lambda: fs.rm(path), lambda: fs.rm(path, recursive=True), lambda: fs.rm_file(path),
        lambda: fs.delete(path), lambda: fs.mkdir(path + "x"), lambda: fs.makedirs(path + "x"),
        lambda: fs.rmdir(path), lambda: fs.touch(path), lambda: fs.cp(path, path + "x"),
        lambda: fs.copy(path, path + "x"), lambda: fs.mv(path, path + "x"),
        lambda: fs.cp_file(path, path + "x"), lambda: fs.rename(path, path + "x"),
        lambda: fs.put(path, path + "x"), lambda: fs.put_file(path, path + "x"),
        lambda: fs.pipe({path: b"x" * 999}), lambda: fs.rm([path]),
        lambda: fs.pipe_file(path, b"x"),
        lambda: fs.write_text(path, "x"), lambda: fs.write_bytes(path, b"x"),
        lambda: fs.open(path, "wb"), lambda: fs.open(path, "w"), lambda: fs.open(path, "ab"),
    ):
        with pytest.raises(r3map.ReadOnlyError, match="r3map only reads") as caught:
            call()
        assert path in str(caught.value) and len(str(caught.value)) < 200
    assert os.listdir(folder) == ["file"] and (folder / "file").read_text() == "there"
