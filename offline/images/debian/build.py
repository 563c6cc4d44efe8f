"""Builds an image such as debian:forky-slim from a Debian mirror, for machines that reach no
container registry.

    sudo python3 offline/images/debian/build.py debian:SUITE-slim

Needs root, debootstrap and the docker client. Standard library only. Slimmed the way that
Debian's own slim image is, for the packages that are installed later, too. What the official
image has and this one has not: the suites SUITE-updates and SUITE-security, which are empty or
missing on many mirrors while a suite is testing.
"""

import argparse
import datetime
import email.utils
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

LABEL = "hpc-stack.stand-in"
# debootstrap of Debian 12 does not know forky by name; all suites since 2005 are made by the
# script of sid.
DEBOOTSTRAP_SCRIPT = "/usr/share/debootstrap/scripts/sid"
UNWANTED = (
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/groff", "usr/share/lintian",
    "usr/share/linda", "usr/share/locale", "var/cache/apt", "var/cache/debconf",
    "var/lib/apt/lists", "var/log",
)  # fmt: skip
MADE_EMPTY = (
    "var/log",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives/partial",
    "var/cache/debconf",
)
DPKG_EXCLUDES = """\
# As in Debian's slim images: no documentation, manuals and translations; copyright files stay.
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/groff/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
# A build that is interrupted is thrown away: no need to wait for the disk after every file.
force-unsafe-io
"""
APT_CLEAN = """\
# As in Debian's images: what was downloaded does not stay in a layer.
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
APT::AutoRemove::SuggestsImportant "false";
"""
APT_EXPIRED = """\
# The mirror that this image was built from lags behind: its Release files are out of date.
Acquire::Check-Valid-Until "false";
"""
POLICY = "#!/bin/sh\n# No service is started when its package is installed.\nexit 101\n"


def main() -> int:
    """Builds, imports and tags the image."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tag", help="name and tag of the image, for instance debian:forky-slim")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian")
    parser.add_argument("--scratch", type=Path, default=Path("/var/tmp"), help="where to build")  # noqa: S108
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("debootstrap needs root.", file=sys.stderr)
        return 1
    # An exception, so that what follows is cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="debian-", dir=arguments.scratch))
    suite = arguments.tag.rpartition(":")[2].removesuffix("-slim")
    try:
        command = ["debootstrap", "--variant=minbase", suite, str(root), arguments.mirror]
        subprocess.run([*command, DEBOOTSTRAP_SCRIPT], check=True)
        expired = any(is_expired(arguments.mirror, one) for one in (suite, "sid"))
        slim(root)
        configure(root, arguments.mirror, suite, expired)
        import_image(root, arguments.tag)
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)}: status {error.returncode}", file=sys.stderr)
        return 1
    finally:
        remove(root)
    return 0


def is_expired(mirror: str, suite: str) -> bool:
    """Whether apt would refuse the mirror's Release file of that suite as too old."""
    with urllib.request.urlopen(f"{mirror}/dists/{suite}/InRelease", timeout=20) as source:  # noqa: S310
        return valid_until_is_past(source.read(4096).decode(errors="replace"))


def valid_until_is_past(release: str) -> bool:
    """Reads the field Valid-Until of a Release file; a file without one does not expire."""
    for line in release.splitlines():
        if line.startswith("Valid-Until:"):
            until = email.utils.parsedate_to_datetime(line.partition(":")[2].strip())
            return until < datetime.datetime.now(datetime.UTC)
    return False


def slim(root: Path) -> None:
    """Removes what dpkg would not have unpacked had it known better; copyright files stay."""
    kept = {
        path: path.read_bytes() for path in root.glob("usr/share/doc/*/copyright") if path.is_file()
    }
    for name in UNWANTED:
        shutil.rmtree(root / name, ignore_errors=True)
    for path, content in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in MADE_EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
    # debootstrap copies these from the machine that it runs on
    for name in ("etc/hostname", "etc/resolv.conf", "var/cache/ldconfig/aux-cache"):
        (root / name).unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("")


def configure(root: Path, mirror: str, suite: str, expired: bool) -> None:
    """Writes how apt and dpkg behave in containers."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    (root / "etc/apt/sources.list.d/debian.sources").write_text(
        f"Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    (root / "etc/apt/apt.conf.d/docker").write_text(APT_CLEAN)
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(DPKG_EXCLUDES)
    if expired:
        (root / "etc/apt/apt.conf.d/expired-mirror").write_text(APT_EXPIRED)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(POLICY)
    policy.chmod(0o755)


def import_image(root: Path, tag: str) -> None:
    """Hands the tree to Docker as an image of one layer."""
    changes = ['CMD ["bash"]', f"LABEL {LABEL}=offline/images/debian"]
    command = ["docker", "import", *(f"--change={change}" for change in changes), "-", tag]
    tar = ["tar", "--numeric-owner", "-C", str(root), "-c", "."]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
        subprocess.run(command, stdin=packing.stdout, check=True)
    if packing.returncode != 0:
        raise subprocess.CalledProcessError(packing.returncode, tar)


def remove(root: Path) -> None:
    """Removes the tree, and never anything that debootstrap was stopped from unmounting."""
    for mount in ("proc", "sys", "dev/pts", "dev"):
        if (root / mount).is_mount():
            subprocess.run(["umount", "--lazy", str(root / mount)], check=False)
    subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=False)


if __name__ == "__main__":
    sys.exit(main())
