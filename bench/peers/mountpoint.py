"""mountpoint-s3, AWS's own file system, where mount-s3 is installed: no package archive has it."""

from . import mount, peer


class Peer(mount.Mount):
    program = "mount-s3"

    def command(self):
        return [peer.find_program("mount-s3"), "--endpoint-url", self.where.endpoint,
                "--force-path-style", "--region", self.where.region, "--read-only",
                "--foreground", self.where.bucket, self.folder]
