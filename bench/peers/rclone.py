"""rclone mount, with the cache and the streams that its documentation advises for large files."""

from . import mount, peer


class Peer(mount.Mount):
    program = "rclone"

    def command(self):
        remote = (f":s3,provider=Minio,env_auth=true,force_path_style=true,"
                  f"endpoint='{self.where.endpoint}':{self.where.bucket}")
        return [peer.find_program("rclone"), "--config", "/dev/null", "mount", remote, self.folder,
                "--read-only", "--vfs-cache-mode", "full", "--cache-dir", self.home / "cache",
                "--vfs-read-chunk-streams", "8", "--vfs-read-chunk-size", "8M"]
