"""Proves that a job has the GPUs that Slurm gave it, no others, and that they work.

    python3 check_gpus.py

Prints one line a fact, `gpu check: ok` or `gpu check: FAILED: <why>` last, and ends with 0 or 1.
It needs NVIDIA's driver only, which the container runtime brings: no CUDA toolkit, no package.
"""

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from functools import partial
from pathlib import Path
from typing import Any

SIZE = 256 << 20
"""Bytes of a copy; an eighth of the GPU's memory where that is less."""

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceTotalMem_v2": (POINTER(c_size_t), c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuCtxSynchronize": (),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemHostAlloc": (POINTER(c_void_p), c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoD_v2": (c_uint64, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, c_uint64, c_size_t),
    "cuMemcpyDtoD_v2": (c_uint64, c_uint64, c_size_t),
    "cuGetErrorName": (c_int, POINTER(c_char_p)),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
}
"""As in cuda.h: CUdevice is an int, CUcontext a pointer, CUdeviceptr 64 bits wide. Macros there add
the _v2; the plain names take what programs of 2010 pass."""

LOOK_AT = {
    100: "the driver could open no GPU; try nvidia-smi on the node's machine",
    802: "a machine with NVSwitch needs nvidia-fabricmanager running",
    803: "libcuda and kernel module differ in version; after an update restart the node's machine",
}
"""What is usually behind a CUresult."""


class Failed(Exception):
    """The check has failed; the text says why, and what to look at."""


class Driver:
    """The CUDA driver API: a call succeeds or raises Failed."""

    def __init__(self, library: str) -> None:
        try:
            self._library = ctypes.CDLL(library)
            for name, parameters in SIGNATURES.items():
                getattr(self._library, name).argtypes = parameters
        except (OSError, AttributeError) as problem:
            raise Failed(
                f"the NVIDIA driver is not in this container, or too old ({problem}); the node's "
                "machine needs it and nvidia-container-toolkit, the node's pool the setting gpus"
            ) from None

    def call(self, name: str, *arguments: object) -> None:
        """Call a function, one of SIGNATURES."""
        if code := getattr(self._library, name)(*arguments):
            word, text = c_char_p(), c_char_p()  # null for a code that this driver does not know
            self._library.cuGetErrorName(code, byref(word))
            self._library.cuGetErrorString(code, byref(text))
            told = b", ".join(part.value for part in (word, text) if part.value).decode()
            hint = LOOK_AT.get(code, "look for NVRM in the kernel's log of the node's machine")
            raise Failed(f"{name} returned {code} ({told or 'unknown'}); {hint}")

    def get(self, name: str, kind: type[Any], *arguments: object) -> Any:
        """What a function returns through its first parameter."""
        result = kind()
        self.call(name, byref(result), *arguments)
        return result


def main(devices: str = "/dev", library: str = "libcuda.so.1") -> None:
    """All checks; a test has device files and a library of its own."""
    print(f"node: {os.uname().nodename}, job: {os.environ.get('SLURM_JOB_ID', 'none')}")
    given = gpus_given(os.environ)
    print(f"GPUs that Slurm gave to the job on this node: {given}")
    opened, refused = open_device_files(Path(devices))
    print(f"device files that it can open: {', '.join(opened) or 'none'}")
    print(f"device files that it cannot open: {', '.join(refused) or 'none, there is no other'}")
    if len(opened) < given:
        raise Failed(f"Slurm gave {given}, {len(opened)} open; see the pool's gpus.device_files")
    driver = Driver(library)
    driver.call("cuInit", 0)
    version = driver.get("cuDriverGetVersion", c_int).value
    print(f"driver: for CUDA {version // 1000}.{version % 1000 // 10}")
    if shutil.which("nvidia-smi"):
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
        for line in (listed.stdout + listed.stderr).splitlines():
            print(f"nvidia-smi -L: {line}")
    seen = driver.get("cuDeviceGetCount", c_int).value
    print(f"GPUs that CUDA sees: {seen}")
    if seen != given:
        wish = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise Failed(f"Slurm gave {given}, CUDA sees {seen}; CUDA_VISIBLE_DEVICES is {wish}")
    for index in range(given):
        check_gpu(driver, index)
    if len(opened) > given:  # last, since the job's own GPUs may be in order all the same
        raise Failed(
            f"jobs are not held to their GPUs: Slurm gave {given}, {len(opened)} open; it can hold "
            "jobs to devices on machines with cgroup v2 only (`make status` says which it is)"
        )


def gpus_given(environment: Mapping[str, str]) -> int:
    """How many GPUs of this node are the job's, as Slurm says in a batch job and in each step.

    CUDA_VISIBLE_DEVICES says nothing here: a job inherits it from whoever has submitted it.
    """
    listed = environment.get("SLURM_JOB_GPUS")  # such as 0,2
    given = environment.get("SLURM_GPUS_ON_NODE") or (listed.count(",") + 1 if listed else 0)
    if not int(given):
        raise Failed("Slurm gave no GPU; submit with --gres=gpu:1 to a partition that has GPUs")
    return int(given)


def open_device_files(devices: Path) -> tuple[list[str], list[str]]:
    """GPUs by whether their device files open: CUDA_VISIBLE_DEVICES is a wish, this is a fact.

    How many open says enough: Slurm numbers a node's GPUs by itself, not as their files are.
    """
    opened, refused = [], []
    for file in sorted(devices.glob("nvidia[0-9]*"), key=lambda file: (len(file.name), file.name)):
        try:
            os.close(os.open(file, os.O_RDWR))
            opened.append(file.name)
        except FileNotFoundError:
            continue
        except OSError as problem:  # EPERM, if the job's cgroup is in the way
            refused.append(f"{file.name} ({problem.strerror})")
    return opened, refused


def check_gpu(driver: Driver, index: int) -> None:
    """Send bytes through a GPU's memory, compare what comes back, and time the copies."""
    device, name = driver.get("cuDeviceGet", c_int, index), ctypes.create_string_buffer(256)
    driver.call("cuDeviceGetName", name, len(name), device)
    total = driver.get("cuDeviceTotalMem_v2", c_size_t, device).value
    print(f"GPU {index}: {name.value.decode()}, {total >> 20} MiB")
    driver.call("cuCtxSetCurrent", driver.get("cuDevicePrimaryCtxRetain", c_void_p, device))
    size = min(SIZE, total // 8)
    first, second = (driver.get("cuMemAlloc_v2", c_uint64, size) for _ in range(2))
    locked = driver.get("cuMemHostAlloc", c_void_p, size, 0)
    across = partial(driver.call, "cuMemcpyDtoD_v2", second, first, size)
    for kind, host in (("pageable", ctypes.create_string_buffer(size)), ("page-locked", locked)):
        into = partial(driver.call, "cuMemcpyHtoD_v2", first, host, size)
        back = partial(driver.call, "cuMemcpyDtoH_v2", host, second, size)
        sent = os.urandom(size)  # without a period, so that a misplaced page is noticed
        ctypes.memmove(host, sent, size)
        into()
        across()
        ctypes.memset(host, 0, size)
        back()
        if ctypes.string_at(host, size) != sent:
            raise Failed(f"GPU {index} changes bytes ({kind} memory); look at nvidia-smi -q -d ECC")
        print(f"GPU {index}: {size >> 20} MiB from {kind} memory to it and back: no byte differs")
        print(f"GPU {index}: host to device, {kind}: {rate(driver, into, size):.1f} GB/s")
        print(f"GPU {index}: device to host, {kind}: {rate(driver, back, size):.1f} GB/s")
    print(f"GPU {index}: device to device: {rate(driver, across, size):.1f} GB/s")
    driver.call("cuMemFreeHost", locked)
    driver.call("cuMemFree_v2", first)
    driver.call("cuMemFree_v2", second)
    driver.call("cuDevicePrimaryCtxRelease_v2", device)


def rate(driver: Driver, copy: Callable[[], None], size: int) -> float:
    """GB/s of a copy: the median of seven."""
    seconds = []
    for _ in range(7):
        begun = time.perf_counter()
        copy()
        driver.call("cuCtxSynchronize")  # a copy inside the GPU goes on after its call
        seconds.append(time.perf_counter() - begun)
    return size / statistics.median(seconds) / 1e9


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Failed as why:
        print(f"gpu check: FAILED: {why}")
        sys.exit(1)
    print("gpu check: ok")
