"""A certificate authority of the tests' own, by the openssl program."""

import subprocess


class Authority:
    """Signs certificates; `path` is what a client has to trust."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "authority.pem"
        folder.mkdir()
        (folder / "index").touch()
        (folder / "config").write_text(f"""
            [req]
            distinguished_name = name
            [name]
            [authority]
            basicConstraints = critical, CA:true
            [ca]
            default_ca = us
            [us]
            database = {folder}/index
            new_certs_dir = {folder}
            certificate = {self.path}
            private_key = {folder}/authority.key
            default_md = sha256
            rand_serial = yes
            unique_subject = no
            policy = any
            copy_extensions = copy
            [any]
            commonName = supplied
            """)
        self.make_key("authority")
        self.openssl("req", "-x509", "-key", "authority.key", "-subj", "/CN=r3map test authority",
                     "-extensions", "authority", "-days", "2", "-out", self.path)

    def openssl(self, command, *arguments):
        config = [] if command == "genpkey" else ["-config", self.folder / "config"]
        subprocess.run(["openssl", command, *config, *arguments], cwd=self.folder, check=True,
                       capture_output=True, timeout=60)

    def make_key(self, name):
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-out", f"{name}.key")

    def sign(self, name, subject, end):
        """Makes `name`.pem and `name`.key for "DNS:…" or "IP:…"; `end` as in 20300101000000Z."""
        self.make_key(name)
        self.openssl("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}",
                     "-addext", f"subjectAltName={subject}", "-out", f"{name}.csr")
        self.openssl("ca", "-batch", "-notext", "-in", f"{name}.csr", "-out", f"{name}.pem",
                     "-startdate", "20200101000000Z", "-enddate", end)
