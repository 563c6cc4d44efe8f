"""GPUs of this machine: read as NVIDIA's driver tells them, refused where they are not there."""

from pathlib import Path

import pulumi
import pytest

from components.local import gpus
from components.local.gpus import Gpu, read_gpus, refuse_missing_gpus
from config.settings import ClusterSettings, load_cluster
from tests.unit.settings_samples import ONE_GPU, pool, settings

# As the driver 550 writes it.
INFORMATION = """\
Model: \t\t NVIDIA L4
IRQ:   \t\t 135
GPU UUID: \t {id}
Video BIOS: \t 95.04.29.00.06
Bus Type: \t PCIe
Bus Location: \t 0000:{bus}:00.0
Device Minor: \t {minor}
GPU Excluded:\t No
"""
WITH_NVIDIA = ("io.containerd.runc.v2", "nvidia", "runc")


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """/proc/driver/nvidia of a machine with two GPUs, whose buses are not in their files' order."""
    for bus, minor in (("31", 1), ("ca", 0)):
        place = tmp_path / "gpus" / f"0000:{bus}:00.0"
        place.mkdir(parents=True)
        text = INFORMATION.format(id=f"GPU-{minor}", bus=bus, minor=minor)
        (place / "information").write_text(text)
        (tmp_path / "capabilities" / f"gpu{minor}" / "mig").mkdir(parents=True)
    return tmp_path


@pytest.fixture(autouse=True)
def without_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is installed on the machine that runs the tests."""
    monkeypatch.setattr(gpus, "RUNTIME_HOOK", "no-such-program")


def cluster(max_nodes: int = 1, files: list[str] | None = None) -> ClusterSettings:
    """A cluster with a pool of nodes with a GPU each."""
    shape = {**ONE_GPU, **({"device_files": files} if files else {})}
    return load_cluster(settings(pools={"gpu": pool(max_nodes=max_nodes, gpus=shape)}))


def refusal(
    loaded: ClusterSettings,
    found: tuple[Gpu, ...],
    runtimes: tuple[str, ...] = WITH_NVIDIA,
    devices: Path = Path("/dev"),
) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        refuse_missing_gpus(loaded, found, runtimes, devices)
    return str(caught.value)


def test_gpus_are_told_by_their_files(driver: Path) -> None:
    assert read_gpus(driver) == (
        Gpu(file="/dev/nvidia0", id="GPU-0", divided=False),
        Gpu(file="/dev/nvidia1", id="GPU-1", divided=False),
    )


def test_a_machine_without_the_driver_has_none(tmp_path: Path) -> None:
    assert read_gpus(tmp_path / "nvidia") == ()


def test_what_the_settings_want_and_the_machine_has_is_not_refused(driver: Path) -> None:
    refuse_missing_gpus(cluster(max_nodes=2), read_gpus(driver), WITH_NVIDIA)
    refuse_missing_gpus(load_cluster(settings()), (), ("runc",))


def test_the_hook_alone_will_do(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "RUNTIME_HOOK", "sh")
    refuse_missing_gpus(cluster(), read_gpus(driver), ("runc",))


def test_more_gpus_than_there_are_are_refused_with_what_there_is(driver: Path) -> None:
    told = refusal(cluster(max_nodes=3), read_gpus(driver))
    assert "cluster.pools.gpu.gpus: /dev/nvidia2 not there" in told
    assert "has 2 NVIDIA GPU(s): /dev/nvidia0, /dev/nvidia1" in told
    assert "max_nodes is 3" in told


def test_a_machine_without_gpus_is_told_what_it_lacks() -> None:
    told = refusal(cluster(), ())
    assert "has no NVIDIA GPU, or not its driver" in told
    assert "remove gpus" in told
    assert "runtime" not in told


def test_an_engine_without_nvidias_runtime_is_refused(driver: Path) -> None:
    told = refusal(cluster(), read_gpus(driver), ("runc",))
    assert "NVIDIA's runtime is missing" in told
    assert "nvidia-ctk runtime configure" in told


def test_a_divided_gpu_is_refused(driver: Path) -> None:
    (driver / "capabilities" / "gpu1" / "mig" / "gi7").mkdir()
    refuse_missing_gpus(cluster(), read_gpus(driver), WITH_NVIDIA)
    told = refusal(cluster(max_nodes=2), read_gpus(driver))
    assert "cluster.pools.gpu.gpus: /dev/nvidia1 is divided into MIG instances" in told
    assert "nvidia-smi -mig 0" in told


def test_a_gpu_that_nobody_has_used_yet_has_no_id(driver: Path) -> None:
    file = driver / "gpus" / "0000:ca:00.0" / "information"
    file.write_text(INFORMATION.format(id="GPU-????????-????", bus="ca", minor=0))
    told = refusal(cluster(), read_gpus(driver))
    assert "/dev/nvidia0 has no id yet" in told
    assert "run `nvidia-smi` once" in told


def test_a_gpu_that_the_driver_has_not_taken_is_none(driver: Path) -> None:
    file = driver / "gpus" / "0000:ca:00.0" / "information"
    file.write_text("Model: \t\t NVIDIA L4\nGPU Excluded:\t Yes\n")
    assert [gpu.file for gpu in read_gpus(driver)] == ["/dev/nvidia1"]


def test_devices_of_others_need_only_be_there(tmp_path: Path) -> None:
    (tmp_path / "accel0").touch()
    refuse_missing_gpus(cluster(files=["/dev/accel0"]), (), ("runc",), tmp_path)
    told = refusal(cluster(files=["/dev/accel1"]), (), ("runc",), tmp_path)
    assert "/dev/accel1 not there" in told
