"""What scripts/demo does beside the examples, which have tests of their own."""

import importlib.machinery
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The script as a module, with sources and a stamp of its own."""
    loader = importlib.machinery.SourceFileLoader("demo", str(SCRIPTS / "demo"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("demo", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    (tmp_path / "core").mkdir()
    (tmp_path / "core/a.cpp").write_text("1")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SOURCES", ["core"])
    monkeypatch.setattr(module, "BUILT", tmp_path / "stamp")
    return module


def test_it_builds_what_has_changed(demo, tmp_path, monkeypatch, capsys):
    runs, there = [], None
    monkeypatch.setattr(demo, "run_with_dots", lambda *command: runs.append(command))
    monkeypatch.setattr(demo, "installed", lambda: there)
    source = tmp_path / "core/a.cpp"

    def built(keep=False):
        before = len(runs)
        demo.build_binding(keep)
        said = capsys.readouterr().out
        assert ("building" in said) != ("up to date" in said or "kept" in said)
        return len(runs) > before

    assert built() and built()  # there is none, even afterwards
    there = source.stat().st_mtime
    assert not built()
    os.utime(source, (1, 1))  # older than what was built: an older version was checked out
    assert built() and not built()
    source.rename(tmp_path / "core/b.cpp")
    assert built() and not built()
    (tmp_path / "core/c.cpp").touch()
    assert not built(keep=True) and built() and not built()
    there = demo.BUILT.stat().st_mtime + 1  # another has been installed
    assert built()
    there = None
    assert built(keep=True)


def test_a_failed_build_is_tried_again(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "installed", lambda: 1.0)
    monkeypatch.setattr(demo, "PYTHON", "false")
    demo.BUILT.write_text("of yore")
    with pytest.raises(subprocess.CalledProcessError):
        demo.build_binding(False)
    assert not demo.BUILT.exists()


def test_it_shows_that_it_is_at_work(demo, capsys):
    demo.run_with_dots("true")
    assert capsys.readouterr().out == ""
    demo.run_with_dots("sleep", 0.5, interval=0.1)
    shown = capsys.readouterr().out
    assert set(shown[:-1]) == {"."} and shown[-1] == "\n"


def test_another_server_is_no_error(demo, monkeypatch, capsys):
    def missing():
        raise demo.servers.MissingPrerequisite("minio", "scripts/install test")

    monkeypatch.setattr(demo.servers, "MinIO", missing)
    monkeypatch.setattr(demo.servers, "SeaweedFS", lambda: "weed")
    assert demo.choose_server(None) == "weed"
    assert capsys.readouterr().out == "==> on SeaweedFS (MinIO: scripts/install test)\n"
    with pytest.raises(demo.servers.MissingPrerequisite):
        demo.choose_server("minio")


@pytest.mark.parametrize("size", ["0", "-1", "much"])
def test_sizes_that_are_none(size):
    done = subprocess.run([SCRIPTS / "demo", "--size", size], capture_output=True, text=True)
    assert done.returncode == 2 and "--size" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("script", ["scripts/test", "bench/run"])
def test_a_list_that_nobody_reads(script):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, SCRIPTS.parent / script, "--list"], stdout=writer,
                          stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.stderr == b"" and done.returncode == -signal.SIGPIPE


def test_the_wheel_script_tells_what_it_does():
    for argument, code in (("--help", 0), ("-h", 0), ("--hlep", 2)):
        done = subprocess.run([SCRIPTS / "wheel", argument], capture_output=True, text=True,
                              check=False)
        assert done.returncode == code and "scripts/wheel" in done.stdout + done.stderr
        assert bool(done.stdout) == (code == 0)
