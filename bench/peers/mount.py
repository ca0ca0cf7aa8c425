"""What the file systems have in common: mounted before the clock starts, then a mapped file."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy

from . import peer

PATIENCE = 30


class Mount(peer.Peer):
    """Subclasses give `command`, which mounts the bucket at `self.folder` and stays there."""

    @classmethod
    def missing(cls):
        if not os.path.exists("/dev/fuse") or not peer.find_program("fusermount3"):
            return "FUSE is not available"
        return super().missing()

    def command(self):
        raise NotImplementedError

    def prepare(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="r3map-bench-mount-"))
        self.folder = self.home / "mount"
        self.folder.mkdir()
        self.file = self.folder / self.where.key
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*map(str, self.command())], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | self.environment())
        deadline = time.monotonic() + PATIENCE
        while not os.path.ismount(self.folder):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise SystemExit(f"{self.command()[0]} mounts nothing: {self.log}")
            time.sleep(0.02)

    def array(self):
        return numpy.memmap(self.file, numpy.float32, "r")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.log = (self.home / "log").read_text(errors="replace")[-2000:]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["fusermount3", "-u", "-z", self.folder], check=False,
                           stderr=subprocess.DEVNULL, timeout=PATIENCE)
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
        if not os.path.ismount(self.folder):  # or the bucket would be emptied
            shutil.rmtree(self.home, ignore_errors=True)
