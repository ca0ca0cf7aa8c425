"""s3fs-fuse: Debian's s3fs, which shares its name with the Python package."""

from . import mount, peer


class Peer(mount.Mount):
    program = "s3fs"

    def command(self):
        return [peer.find_program("s3fs"), self.where.bucket, self.folder, "-f", "-o",
                f"url={self.where.endpoint},use_path_request_style,ro,parallel_count=8,"
                f"endpoint={self.where.region},tmpdir={self.home}"]
