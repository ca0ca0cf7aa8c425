"""Credentials of a real STS: a role of a profile, assumed at MinIO, reads what its keys may read."""

import os
import subprocess

import pytest

import required
import servers

DATA = servers.content(0, 3 << 20)


@pytest.fixture
def r3map(tmp_path, minio):
    """Runs the command with a home folder of its own and no keys in the environment."""
    command = required.command()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    variables |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}

    def run(config, *arguments, env=None):
        (tmp_path / ".aws").mkdir(exist_ok=True)
        (tmp_path / ".aws/config").write_text(config)
        (tmp_path / ".aws/credentials").write_text(
            f"[base]\naws_access_key_id = {minio.access_key}\n"
            f"aws_secret_access_key = {minio.secret_key}\n")
        return subprocess.run([command, *arguments], env=variables | (env or {}),
                              capture_output=True, timeout=90, check=False)
    return run


def role(minio, **settings):
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    return (f"[profile reader]\nregion = us-east-1\nendpoint_url = {minio.endpoint}\n"
            f"role_arn = arn:xxx:xxx:xxx:xxxx\nsource_profile = base\n{lines}")


def test_an_assumed_role_reads(r3map, minio, bucket):
    minio.put_object(bucket, "object", DATA)
    url = f"s3://{bucket}/object"
    result = r3map(role(minio, duration_seconds=900), "cat", url, "-o", "profile=reader")
    assert result.returncode == 0 and result.stdout == DATA, result.stderr
    result = r3map(role(minio), "cat", url, env={"AWS_PROFILE": "reader"})
    assert result.returncode == 0 and result.stdout == DATA, result.stderr


def test_static_keys_of_a_profile_read(r3map, minio, bucket):
    minio.put_object(bucket, "object", DATA)
    result = r3map("", "cat", f"s3://{bucket}/object", "-o", "profile=base", "-o",
                   f"endpoint_url={minio.endpoint}")
    assert result.returncode == 0 and result.stdout == DATA, result.stderr


def test_what_sts_refuses_is_said(r3map, minio, bucket):
    url = f"s3://{bucket}/object"
    result = r3map(role(minio, duration_seconds=1), "cat", url, "-o", "profile=reader")
    assert result.returncode != 0 and b"profile 'reader': role arn:xxx" in result.stderr
    result = r3map(role(minio), "cat", url, "-o", "profile=none")
    assert result.returncode != 0 and b"profile 'none' is neither in" in result.stderr


def test_no_credentials_at_all(r3map, minio, bucket):
    result = r3map("", "cat", f"s3://{bucket}/object", "-o", f"endpoint_url={minio.endpoint}")
    assert result.returncode != 0
    for looked in (b"no credentials: environment", b"web identity", b"profile 'default'",
                   b"container", b"AWS_EC2_METADATA_DISABLED", b"anon=true"):
        assert looked in result.stderr
