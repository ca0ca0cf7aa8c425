"""What `cmake --install` puts in place is enough for a stranger's program."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/c/map_object.c"

PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(stranger C)
find_package(r3map 0.1 REQUIRED)
add_executable(stranger {source})
target_link_libraries(stranger PRIVATE r3map::r3map)
"""


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    build = ROOT / "build/dev"
    if not (build / "CMakeCache.txt").exists():
        pytest.fail("build/dev is missing: scripts/test dev builds it")
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", build, "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def library(prefix):
    return next(prefix.rglob("libr3map.so.0")).parent


def check_example(program, library):
    environment = os.environ | {"LD_LIBRARY_PATH": str(library)}
    output = run(program, "memory:1M", env=environment)
    assert "1048576" in output


def test_pkg_config(library, tmp_path):
    environment = os.environ | {"PKG_CONFIG_PATH": str(library / "pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "r3map", env=environment).split()
    run("cc", "-std=c99", EXAMPLE, "-o", tmp_path / "program", *flags)
    check_example(tmp_path / "program", library)


def test_cmake_package(prefix, library, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(source=EXAMPLE))
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    check_example(tmp_path / "build/stranger", library)


def test_command(prefix, library):
    program = prefix / "bin/r3map"
    environment = os.environ | {"LD_LIBRARY_PATH": str(library)}
    assert "r3map 0.1.0" in run(program, "--version", env=environment)
    assert shutil.which("r3map", path=str(prefix / "bin"))
    assert "r3map cp URL FILE" in run("man", prefix / "share/man/man1/r3map.1")
    for completion in ("bash-completion/completions/r3map", "zsh/site-functions/_r3map",
                       "fish/vendor_completions.d/r3map.fish"):
        assert "r3map" in (prefix / "share" / completion).read_text()


def test_the_manual_names_pages_that_are_there(prefix):
    page = run("man", prefix / "share/man/man1/r3map.1")
    named = set(re.findall(r"\b[a-z0-9]+\.md\b", page))
    assert {"s3.md", "http.md", "options.md"} <= named
    assert named <= set(os.listdir(prefix / "share/doc/r3map"))


def test_only_the_abi_is_visible(library):
    symbols = run("nm", "-D", "--defined-only", library / "libr3map.so.0").splitlines()
    names = {line.split()[-1].split("@")[0] for line in symbols}
    declared = {line.strip(" ;") for line in (ROOT / "capi/r3map.map").read_text().splitlines()
                if line.strip().startswith("r3map_")}
    assert names - {"R3MAP_0.1"} == declared
