"""The example that checks a job's GPUs: the real program on a stand-in for NVIDIA's library."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.environment import CHECKOUT

EXAMPLE = CHECKOUT / "examples/gpu"
SOURCE = Path(__file__).with_name("gpu_stand_in") / "libcuda.c"
FAILING = [
    name
    for name in re.findall(r"^CUresult (cu\w+)\(", SOURCE.read_text(), re.MULTILINE)
    if not name.startswith("cuGetError")
]
"""Functions that can be told to fail."""
MIB = 1 << 20


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert shutil.which("cc"), "these tests compile a library. Fix: install a C compiler (gcc)"
    file = tmp_path_factory.mktemp("stand-in") / "libcuda.so.1"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o", file, SOURCE], check=True
    )
    return file


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of a pool with GPUs, as a job sees it."""

    devices: Path
    library: Path
    programs: Path

    def __post_init__(self) -> None:
        self.programs.mkdir()
        self.devices.mkdir()
        for other in ("nvidiactl", "nvidia-uvm", "null"):
            (self.devices / other).touch()

    def has(self, *, opening: int, refusing: int = 0) -> None:
        """Give it device files: first those that open, then those that do not."""
        for index in range(opening):
            (self.devices / f"nvidia{index}").touch()
        for index in range(opening, opening + refusing):
            # Root may open every file for writing, but no directory.
            (self.devices / f"nvidia{index}").mkdir()

    def check(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run the program in a job with one GPU, or as variables say, all of the library's."""
        variables = {"SLURM_GPUS_ON_NODE": "1", "STAND_IN_GPUS": "1"} | variables
        memory = {"STAND_IN_MEMORY": str(64 * MIB), "PATH": str(self.programs)}
        done = subprocess.run(
            [sys.executable, EXAMPLE / "check_gpus.py", self.devices, self.library],
            env=memory | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == "", "what goes wrong is told in the report, without a stack trace"
        return done


@pytest.fixture
def node(tmp_path: Path, library: Path) -> Node:
    return Node(devices=tmp_path / "dev", library=library, programs=tmp_path / "bin")


def why(done: "subprocess.CompletedProcess[str]") -> str:
    """The reason that a failed check gives in its last line."""
    last = done.stdout.splitlines()[-1]
    assert last.startswith("gpu check: FAILED: "), done.stdout
    assert done.returncode == 1
    return last.removeprefix("gpu check: FAILED: ")


def test_a_job_with_its_own_gpu_alone_passes_and_is_told_each_fact(node: Node) -> None:
    node.has(opening=1, refusing=1)
    done = node.check(SLURM_JOB_ID="7")
    assert done.returncode == 0, done.stdout
    expected = [
        r"node: .+, job: 7",
        r"GPUs that Slurm gave to the job on this node: 1",
        r"device files that it can open: nvidia0",
        r"device files that it cannot open: nvidia1 \(Is a directory\)",
        r"driver: for CUDA 12\.4",
        r"GPUs that CUDA sees: 1",
        r"GPU 0: Stand-in 0, 64 MiB",
        r"GPU 0: 8 MiB from pageable memory to it and back: no byte differs",
        r"GPU 0: host to device, pageable: \d+\.\d GB/s",
        r"GPU 0: device to host, pageable: \d+\.\d GB/s",
        r"GPU 0: 8 MiB from page-locked memory to it and back: no byte differs",
        r"GPU 0: host to device, page-locked: \d+\.\d GB/s",
        r"GPU 0: device to host, page-locked: \d+\.\d GB/s",
        r"GPU 0: device to device: \d+\.\d GB/s",
        r"gpu check: ok",
    ]
    lines = done.stdout.splitlines()
    assert len(lines) == len(expected), done.stdout
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


def test_all_gpus_of_a_job_with_several_are_checked(node: Node) -> None:
    node.has(opening=11, refusing=1)
    done = node.check(SLURM_GPUS_ON_NODE="11", STAND_IN_GPUS="11", STAND_IN_MEMORY=str(MIB))
    assert done.returncode == 0, done.stdout
    assert ": nvidia0, nvidia1, nvidia2, " in done.stdout, "in the order of their numbers"
    assert set(re.findall(r"GPU (\d+): Stand-in \1,", done.stdout)) == {str(n) for n in range(11)}


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_GPUS": "0,3"},
        {"SLURM_GPUS_ON_NODE": "2", "SLURM_JOB_GPUS": "0,1,2,3"},
        {"SLURM_GPUS_ON_NODE": "", "SLURM_JOB_GPUS": "0,3"},
    ],
    ids=["a batch job", "a step with fewer GPUs than its job", "the list alone"],
)
def test_slurm_says_how_many_gpus_were_given(node: Node, variables: dict[str, str]) -> None:
    node.has(opening=2)
    done = node.check(STAND_IN_GPUS="2", **variables)
    assert "gave to the job on this node: 2\n" in done.stdout
    assert done.stdout.endswith("gpu check: ok\n")


@pytest.mark.parametrize("count", ["", "0"])
def test_a_job_without_gpus_is_told_how_to_ask_for_one(node: Node, count: str) -> None:
    node.has(opening=1)
    # Variables of the shell that submits a job reach it.
    done = node.check(SLURM_GPUS_ON_NODE=count, CUDA_VISIBLE_DEVICES="0")
    assert "submit with --gres=gpu:1" in why(done)


def test_a_gpu_of_others_that_opens_fails_the_check_after_the_own_was_checked(node: Node) -> None:
    node.has(opening=2, refusing=1)
    done = node.check(CUDA_VISIBLE_DEVICES="0")
    assert "jobs are not held to their GPUs: Slurm gave 1, 2 open" in why(done)
    assert "cgroup v2 only" in why(done)
    assert "GPU 0: device to device: " in done.stdout


def test_a_gpu_that_was_given_but_does_not_open_fails_the_check(node: Node) -> None:
    node.has(opening=1, refusing=1)
    done = node.check(SLURM_GPUS_ON_NODE="2", STAND_IN_GPUS="2")
    assert why(done).startswith("Slurm gave 2, 1 open")


def test_a_device_file_that_leads_nowhere_is_no_gpu(node: Node) -> None:
    node.has(opening=1)
    (node.devices / "nvidia1").symlink_to("nowhere")
    done = node.check()
    assert done.returncode == 0
    assert "cannot open: none, there is no other" in done.stdout


def test_more_gpus_for_cuda_than_were_given_fail_the_check(node: Node) -> None:
    node.has(opening=1)
    done = node.check(STAND_IN_GPUS="2")
    assert why(done) == "Slurm gave 1, CUDA sees 2; CUDA_VISIBLE_DEVICES is not set"


@pytest.mark.parametrize("fault", ["STAND_IN_CORRUPTS", "STAND_IN_IDLES"])
@pytest.mark.parametrize("copy", ["cuMemcpyHtoD_v2", "cuMemcpyDtoD_v2", "cuMemcpyDtoH_v2"])
def test_a_copy_that_changes_a_byte_or_does_nothing_fails_the_check(
    node: Node, copy: str, fault: str
) -> None:
    node.has(opening=1)
    assert "GPU 0 changes bytes" in why(node.check(**{fault: copy}))


@pytest.mark.parametrize("function", FAILING)
def test_each_function_that_fails_is_told_in_the_drivers_words(node: Node, function: str) -> None:
    node.has(opening=1)
    done = node.check(STAND_IN_FAILS=f"{function}=2")
    told = f"{function} returned 2 (CUDA_ERROR_OUT_OF_MEMORY, out of memory); look "
    assert why(done).startswith(told)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("100", "(CUDA_ERROR_NO_DEVICE, no CUDA-capable device is detected); the driver could"),
        ("4242", "(unknown); look for NVRM"),
    ],
)
def test_an_error_comes_with_what_to_look_at(node: Node, code: str, told: str) -> None:
    node.has(opening=1)
    assert f"cuInit returned {code} {told}" in why(node.check(STAND_IN_FAILS=f"cuInit={code}"))


@pytest.mark.parametrize("library", ["libcuda-is-not-here.so.1", "libc.so.6"])
def test_a_container_without_the_driver_is_told_what_it_needs(tmp_path: Path, library: str) -> None:
    node = Node(devices=tmp_path / "dev", library=Path(library), programs=tmp_path / "bin")
    node.has(opening=1)
    reason = why(node.check())
    assert reason.startswith("the NVIDIA driver is not in this container, or too old (")
    assert library in reason
    assert "nvidia-container-toolkit" in reason


def test_what_nvidia_smi_lists_is_in_the_report(node: Node) -> None:
    node.has(opening=1)
    program(node.programs / "nvidia-smi", 'echo "GPU 0: $1 (UUID: GPU-1)"')
    done = node.check()
    assert "nvidia-smi -L: GPU 0: -L (UUID: GPU-1)\n" in done.stdout
    assert done.returncode == 0


def test_the_batch_script_asks_for_one_gpu_and_leaves_the_partition_to_its_user() -> None:
    text = (EXAMPLE / "check.sbatch").read_text()
    assert re.findall("^#SBATCH --gres=(.*)$", text, re.MULTILINE) == ["gpu:1"]
    assert "--partition" not in text


def test_the_batch_script_runs_the_copy_where_it_was_submitted(tmp_path: Path) -> None:
    (tmp_path / "check_gpus.py").touch()
    done = batch_script(tmp_path)
    assert (done.returncode, done.stdout) == (0, "python3 -u check_gpus.py\n")


def test_the_batch_script_says_how_to_submit_where_the_program_is_missing(tmp_path: Path) -> None:
    done = batch_script(tmp_path)
    assert "cp -r /opt/hpc-stack/examples/gpu" in why(done)


def batch_script(directory: Path) -> "subprocess.CompletedProcess[str]":
    """Run the batch script there, with a python3 that shows its arguments."""
    programs = directory / "bin"
    programs.mkdir()
    program(programs / "python3", 'echo python3 "$@"')
    return subprocess.run(
        ["bash", EXAMPLE / "check.sbatch"],
        cwd=directory,
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def program(file: Path, body: str) -> None:
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
