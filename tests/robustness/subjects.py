"""How r3map and its peers read an object, as their users would: for each the steps by name.

A step takes a job (see reader.py) and `tell`; it returns if all bytes were right.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))

from faults import PERIOD, SCENARIOS, content  # noqa: E402

KEY, SECRET, REGION = "r3map-test", "r3map-test-secret", "us-east-1"
RANGES = 12


class WrongBytes(Exception):
    """Its text is the outcome."""


def check(data, offset, length):
    """Raises WrongBytes unless `data` are the bytes of version 1 at `offset`."""
    data = memoryview(data).cast("B")
    if len(data) == length and is_version(data, offset, 1):
        return
    other = len(data) > 0 and is_version(data, offset, 2)
    raise WrongBytes("OTHER VERSION" if other else "WRONG BYTES")


def is_version(data, offset, version):
    data = memoryview(data).cast("B")
    return all(data[at:at + PERIOD] == content(offset + at, min(PERIOD, len(data) - at), version)
               for at in range(0, len(data), PERIOD))


def check_whole(data, job):
    """For those who read an object by one call: what is there now is right, if it is all of it."""
    changes = SCENARIOS[job["id"][0]].family == "changes"
    sizes = [job["size"] * percent // 100 for percent in (0, 50, 100, 200, 300)]
    if not (changes and len(data) in sizes and any(is_version(data, 0, v) for v in (1, 2))):
        check(data, 0, job["size"])


def ranges_of(size):
    """(offset, length) here and there: both ends, a lone byte, across pages, at random."""
    if size == 0:
        return
    chance = random.Random(size)
    yield from ((0, 100), (size - 100, 100), (size // 2, 1), (65536 - 10, 20), (4096, 4096))
    for _ in range(RANGES):
        offset = chance.randrange(size)
        yield offset, min(chance.choice((1, 5000, 200_000)), size - offset)


# ---------------------------------------------------------------- r3map

def r3map_steps():
    import r3map

    def options_of(job):
        if not job["url"].startswith("s3:"):
            return {}
        return {"endpoint_url": job["endpoint"], "key": KEY, "secret": SECRET, "region": REGION}

    def opened(job, **options):
        return r3map.open(job["url"], deadline=job["deadline"],
                          storage_options=options_of(job), **options)

    def info(job, tell):
        found = r3map.info(job["url"], deadline=job["deadline"], storage_options=options_of(job))
        if found.size != job["size"]:
            raise WrongBytes("WRONG BYTES")

    def read(job, tell):
        with opened(job) as region:
            check(region.read(), 0, job["size"])

    def populate(job, tell):
        with opened(job) as region:
            region.populate()
            with memoryview(region) as memory:
                check(memory, 0, job["size"])

    def ranges(job, tell):
        with opened(job, pull="none") as region:
            for offset, length in ranges_of(job["size"]):
                check(region.read(offset, length), offset, length)

    def touch(job, tell):
        with opened(job) as region:
            if region.size != job["size"]:
                raise WrongBytes("WRONG BYTES")
            tell("touching")
            with memoryview(region) as memory:
                for offset, length in ranges_of(job["size"]):
                    check(memory[offset:offset + length], offset, length)
                check(memory, 0, job["size"])

    def cp(job, tell):
        program = shutil.which("r3map", path=f"{os.environ['PATH']}:{ROOT / 'build/dev/cli'}")
        given = [f"-o{name}={value}" for name, value in options_of(job).items()]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [program, "cp", *given, "--deadline", str(job["deadline"]), job["url"],
                 f"{folder}/copy"], capture_output=True, text=True, check=False)
            left = os.listdir(folder)
            if done.returncode == 0:
                check(pathlib.Path(folder, "copy").read_bytes(), 0, job["size"])
            elif done.returncode != 1 or left or not done.stderr.startswith("r3map: "):
                raise OSError(f"cp ended with {done.returncode}, left {left}: {done.stderr}")
            else:
                raise CopyFailed(done.stderr)

    return {"info": info, "read": read, "populate": populate, "ranges": ranges, "touch": touch,
            "cp": cp}


class CopyFailed(Exception):
    """The command's own error, exit code 1."""


# ---------------------------------------------------------------- peers

def place_of(job):
    bucket, _, key = job["url"].removeprefix("s3://").partition("/")
    return bucket, key


def boto3_steps():
    import boto3
    import botocore.config

    def client(job):
        config = botocore.config.Config(
            connect_timeout=job["deadline"], read_timeout=job["deadline"],
            s3={"addressing_style": "path"})
        return boto3.client("s3", endpoint_url=job["endpoint"], aws_access_key_id=KEY,
                            aws_secret_access_key=SECRET, region_name=REGION, config=config)

    def read(job, tell):
        bucket, key = place_of(job)
        check_whole(client(job).get_object(Bucket=bucket, Key=key)["Body"].read(), job)

    def ranges(job, tell):
        s3, (bucket, key) = client(job), place_of(job)
        size = s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        if size != job["size"]:
            raise WrongBytes("WRONG BYTES")
        for offset, length in ranges_of(size):
            span = f"bytes={offset}-{offset + length - 1}"
            body = s3.get_object(Bucket=bucket, Key=key, Range=span)["Body"]
            check(body.read(), offset, length)

    return {"read": read, "ranges": ranges}


def s3fs_steps():
    import s3fs

    def filesystem(job):
        return s3fs.S3FileSystem(
            key=KEY, secret=SECRET, endpoint_url=job["endpoint"], skip_instance_cache=True,
            client_kwargs={"region_name": REGION},
            config_kwargs={"connect_timeout": job["deadline"], "read_timeout": job["deadline"],
                           "s3": {"addressing_style": "path"}})

    def read(job, tell):
        check_whole(filesystem(job).cat_file(job["url"]), job)

    def ranges(job, tell):
        with filesystem(job).open(job["url"], "rb", block_size=1 << 20) as file:
            if file.size != job["size"]:
                raise WrongBytes("WRONG BYTES")
            for offset, length in ranges_of(file.size):
                file.seek(offset)
                check(file.read(length), offset, length)

    return {"read": read, "ranges": ranges}


def obstore_steps():
    import datetime

    import obstore
    from obstore.store import S3Store

    def store(job):
        bucket, key = place_of(job)
        wait = datetime.timedelta(seconds=job["deadline"])
        made = S3Store(bucket, endpoint=job["endpoint"], access_key_id=KEY,
                       secret_access_key=SECRET, region=REGION,
                       virtual_hosted_style_request=False,
                       client_options={"allow_http": True, "timeout": wait},
                       retry_config={"retry_timeout": wait})
        return made, key

    def read(job, tell):
        made, key = store(job)
        check_whole(memoryview(obstore.get(made, key).bytes()), job)

    def ranges(job, tell):
        made, key = store(job)
        size = obstore.head(made, key)["size"]
        if size != job["size"]:
            raise WrongBytes("WRONG BYTES")
        for offset, length in ranges_of(size):
            check(obstore.get_range(made, key, start=offset, length=length), offset, length)

    return {"read": read, "ranges": ranges}


SUBJECTS = {"r3map": r3map_steps, "obstore": obstore_steps, "s3fs": s3fs_steps,
            "boto3": boto3_steps}
