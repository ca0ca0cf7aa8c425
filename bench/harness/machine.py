"""What a reader must know to judge the figures, and nothing that names the machine."""

import os
import pathlib
import platform
import re
import subprocess
import time

import peers
from harness import paths
import servers

PEERS = ("obstore", "boto3", "s3fs", "s3torchconnector", "rclone", "s3fs-fuse", "mountpoint",
         "curl")


def first_line(*command, merged=False):
    try:
        done = subprocess.run([*map(str, command)], cwd=paths.ROOT, text=True,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT if merged else subprocess.DEVNULL)
        return done.stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return "?"


def go_module(program, module):
    """The version that Go wrote into a program, which itself may not know it."""
    try:
        data = pathlib.Path(servers.find_program(program, "")).read_bytes()
    except (servers.MissingPrerequisite, OSError):
        return "?"
    found = re.search(rb"mod\t" + re.escape(module.encode()) + rb"\tv([^\t\n]+)", data)
    # v0.0.0-20260212201848-7aac2a2c5b7c: the time is what MinIO calls its releases by.
    return re.sub(r"^0\.0\.0-(\d{8}).*", r"\1", found[1].decode()) if found else "?"


def nginx():
    try:
        program = servers.find_program("nginx", "")
    except servers.MissingPrerequisite:
        return "?"
    return first_line(program, "-v", merged=True).rpartition("/")[2]


def versions(r3map):
    told = {"r3map": r3map}
    for name in PEERS:
        peer = peers.load(name)
        if not peer.missing():
            told["libcurl" if name == "curl" else name] = peer.version()
    return told | {
        "MinIO": go_module("minio", "github.com/minio/minio"),
        "toxiproxy": go_module("toxiproxy-server", "github.com/Shopify/toxiproxy/v2"),
        "nginx": nginx(), "Python": platform.python_version(),
        "NumPy": __import__("numpy").__version__,
        "compiler": first_line("c++", "--version")}


def busy():
    """What others use of the processors, as a share; takes a second. (The load average tells of the
    row before.)"""
    def read():
        user, nice, system, idle, waiting, *rest = map(
            int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
        return user + nice + system + sum(rest), idle + waiting

    used, idle = read()
    time.sleep(1)
    used_then, idle_then = read()
    used, idle = used_then - used, idle_then - idle
    return used / max(used + idle, 1)


def facts(r3map):
    cpu = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": cpu[1] if cpu else platform.machine(), "cores": os.cpu_count(),
            "memory": f"{memory / 2**30:.0f} GiB",
            "kernel": re.match(r"[\d.]+", platform.release())[0], "versions": versions(r3map)}
