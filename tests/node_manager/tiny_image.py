"""An image of a few hundred bytes, made here, so that the Docker tests need nothing from anywhere.

Its programs are hand-assembled static ELF files: /wait sleeps for ever, /fail ends with status 3.
"""

import io
import platform
import struct
import tarfile
from typing import NamedTuple

import docker

LOAD_ADDRESS = 0x400000
ELF_HEADER, PROGRAM_HEADER = 64, 56


class _Machine(NamedTuple):
    elf_number: int
    wait: bytes
    fail: bytes


def _words(*instructions: int) -> bytes:
    return struct.pack(f"<{len(instructions)}I", *instructions)


_MACHINES = {
    "x86_64": _Machine(
        62,
        # again: mov eax, 34 (pause); syscall; jmp again
        wait=bytes.fromhex("b822000000 0f05 ebf7"),
        # mov edi, 3; mov eax, 60 (exit); syscall
        fail=bytes.fromhex("bf03000000 b83c000000 0f05"),
    ),
    "aarch64": _Machine(
        183,
        # again: x0 to x4 are 0, x8 is 73 (ppoll), svc, then back to again
        wait=_words(
            *(0xD2800000 + register for register in range(5)), 0xD2800928, 0xD4000001, 0x17FFFFF9
        ),
        # x0 is 3, x8 is 93 (exit), then svc
        fail=_words(0xD2800060, 0xD2800BA8, 0xD4000001),
    ),
}


def _program(code: bytes, machine: int) -> bytes:
    """A static executable: one header, one loadable segment."""
    size = ELF_HEADER + PROGRAM_HEADER + len(code)
    entry = LOAD_ADDRESS + ELF_HEADER + PROGRAM_HEADER
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = identity + struct.pack(
        "<HHIQQQIHHHHHH",
        *(2, machine, 1, entry, ELF_HEADER, 0, 0, ELF_HEADER, PROGRAM_HEADER, 1, 0, 0, 0),
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, 0x1000)
    return header + segment + code


def import_images(client: docker.APIClient, prefix: str) -> tuple[str, str]:
    """Make <prefix>:wait and <prefix>:fail; their names."""
    machine = _MACHINES[platform.machine()]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, code in (("wait", machine.wait), ("fail", machine.fail)):
            content = _program(code, machine.elf_number)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    for name in ("wait", "fail"):
        client.import_image_from_data(
            buffer.getvalue(), repository=prefix, tag=name, changes=[f'CMD ["/{name}"]']
        )
    return f"{prefix}:wait", f"{prefix}:fail"
