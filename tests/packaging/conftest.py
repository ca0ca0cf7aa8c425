"""What scripts/wheel has made, and another Debian to try it in."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

import required  # noqa: E402
import servers  # noqa: E402

SUITE = "trixie"  # Debian 13: another glibc, another Python than where the wheel is built


def made(pattern):
    found = list((ROOT / "dist").glob(pattern))
    assert len(found) == 1, f"scripts/wheel makes one {pattern}: {found}"
    return found[0]


@pytest.fixture(scope="session")
def wheel():
    return made("r3map-*.whl")


@pytest.fixture(scope="session")
def sdist():
    return made("r3map-*.tar.gz")


@pytest.fixture(scope="session")
def minio():
    with required.server(servers.MinIO) as server:
        yield server


def mirror():
    """Where this machine has its packages from."""
    release = pathlib.Path("/etc/os-release").read_text()
    codename = re.search(r"^VERSION_CODENAME=(\w+)", release, re.MULTILINE)
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        name, _, uri = line.partition(" ")
        if codename and name == codename[1]:
            return uri
    required.missing(f"{SUITE} is missing: this is no Debian, or apt has no list of its packages")


@pytest.fixture(scope="session")
def debian():
    """The root of a minimal Debian of that release, with Python and without any -dev package."""
    required.root("another Debian can't be made")
    required.program("debootstrap")
    cache = pathlib.Path(os.environ.get("R3MAP_CACHE", "~/.cache/r3map")).expanduser()
    root = cache / f"debian-{SUITE}"
    if not root.exists():  # it takes its name when it is complete
        new = cache / f"debian-{SUITE}.{os.getpid()}"
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-venv",
             SUITE, new, mirror()], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            shutil.rmtree(new)
            required.missing(f"{SUITE} is missing: debootstrap failed: {done.stdout[-500:]}{done.stderr}")
        new.rename(root)
    return root
