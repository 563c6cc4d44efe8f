"""A browser that shows a page, without a screen and without a network."""

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

IMAGE = "hpc-test-report-browser"
_HERE = Path(__file__).parent
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-crash-reporter",
    "--user-data-dir=/tmp/profile", "--enable-logging=stderr", "--v=0",
    "--virtual-time-budget=20000",
)  # fmt: skip
_SAID = re.compile(r':CONSOLE:\d+\] "(?P<text>.*)", source: (?!chrome:)')
"""A line of the console of a page; the browser's own pages have addresses that begin so."""
_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a browser made of a page."""

    dom: str
    console: tuple[str, ...]
    """What the page said, and what the browser said of it."""


def show(html: str, width: int = 1400, height: int = 1200) -> Shown:
    """Open the page as a file, and wait until it has come to rest."""
    done = _run(html, f"--window-size={width},{height}", "--dump-dom")
    said = (_SAID.search(line) for line in done.stderr.decode(errors="replace").splitlines())
    return Shown(dom=done.stdout.decode("utf-8"), console=tuple(one["text"] for one in said if one))


def screenshot(html: str, width: int = 1400, height: int = 3000) -> bytes:
    """A PNG of the page."""
    return _made(html, "shot.png", f"--window-size={width},{height}", "--screenshot=/tmp/shot.png")


def printed(html: str) -> bytes:
    """A PDF of the page."""
    return _made(html, "page.pdf", "--no-pdf-header-footer", "--print-to-pdf=/tmp/page.pdf")


def _made(html: str, name: str, *flags: str) -> bytes:
    return _run(html, *flags, then=f">&2 && cat /tmp/{name}").stdout


def _run(html: str, *flags: str, then: str = "") -> "subprocess.CompletedProcess[bytes]":
    """Through standard input and output: so the engine may be on another machine."""
    words = " ".join(("chromium", *_FLAGS, *flags, "file:///tmp/page.html"))
    return subprocess.run(
        ["docker", "run", "--rm", "--interactive", "--network", "none", _image(),
         "sh", "-c", f"cat > /tmp/page.html && {words} {then}"],
        input=html.encode(),
        capture_output=True,
        check=True,
        timeout=_SECONDS,
    )  # fmt: skip


@cache
def _image() -> str:
    """The browser's image, built where it is not there yet."""
    proxies = [
        word
        for name in _PROXIES
        if os.environ.get(name)
        for word in ("--build-arg", f"{name}={os.environ[name]}")
    ]
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", IMAGE, *proxies, str(_HERE)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return IMAGE
