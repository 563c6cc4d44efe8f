"""What dcgm-exporter is asked for, and who told it which job has which GPU."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from node_manager import targets

from components.aws.host import boot
from config.render.gpu_exporter import GPU_EXPORTER_IMAGE, GPU_FIELDS, GPU_METRICS_PORT
from config.render.prometheus import prometheus_yaml
from config.render.site import Site
from config.settings import load_cluster
from ops.environment import CHECKOUT
from ops.prepare import base_images
from tests.unit.settings_samples import ONE_GPU, pool, settings

SCRIPT = CHECKOUT / "images/slurm/files/slurmd/usr/libexec/hpc-stack/note-gpu-job"
USED = ("config/panels", "config/alerts")
FIELD = re.compile(r"DCGM_FI_\w+")


def test_what_panels_and_alerts_use_is_measured() -> None:
    files = [file for place in USED for file in (CHECKOUT / place).glob("*.py")]
    used = {name for file in files for name in FIELD.findall(file.read_text())}
    assert used
    assert used <= set(FIELD.findall(GPU_FIELDS))


def test_the_list_of_fields_is_one_that_the_exporter_reads() -> None:
    lines = [line for line in GPU_FIELDS.splitlines() if not line.startswith("#")]
    for line in lines:
        name, kind, about = (part.strip() for part in line.split(","))
        assert FIELD.fullmatch(name)
        assert kind in ("gauge", "counter")
        assert about
    assert "DCGM_FI_PROF" not in GPU_FIELDS, "needs SYS_ADMIN"


def test_all_mean_the_same_port_and_image() -> None:
    assert GPU_METRICS_PORT == targets.GPU_METRICS_PORT
    assert base_images.GPU_EXPORTER == GPU_EXPORTER_IMAGE


def test_where_no_gpu_of_this_machine_is_measured_something_is_said_to_be_so() -> None:
    """`up` has its target's labels alone; what is of a GPU has its node's in their place."""
    cluster = load_cluster(settings(pools={"gpu": pool(max_nodes=1, gpus=ONE_GPU)}))
    site = Site(images={}, cgroup="v2", gpu_exporter=True, gpu_ids={"/dev/nvidia0": "GPU-0"})
    document = yaml.safe_load(prometheus_yaml(cluster, site))
    (job,) = (one for one in document["scrape_configs"] if one["job_name"] == "gpu")
    (source,) = job["static_configs"]
    assert source["labels"] == {"node": "this machine", "pool": "all"}
    assert {rule["target_label"] for rule in job["metric_relabel_configs"]} == {"node", "pool"}


# --- note-gpu-job, Slurm's Prolog and Epilog -----------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A node whose GPUs, in the order of their buses, have these minor numbers."""

    place: Path
    minors: tuple[int, ...] = (0, 1, 2, 3)

    def __post_init__(self) -> None:
        self.jobs.mkdir()
        for number, minor in enumerate(self.minors):
            gpu = self.place / "driver" / f"0000:{number + 0x1B:02x}:00.0"
            gpu.mkdir(parents=True)
            (gpu / "information").write_text(
                f"Model: \t\t NVIDIA L4\nGPU UUID: \t GPU-{minor}\nDevice Minor: \t {minor}\n"
            )

    @property
    def jobs(self) -> Path:
        return self.place / "gpu-jobs"

    def run(self, context: str, job: int, gpus: str = "") -> None:
        """As slurmd runs it: by itself, with its own variables alone."""
        text = SCRIPT.read_text()
        for real, ours in (
            (str(boot.GPU_JOBS), self.jobs),
            ("/proc/driver/nvidia/gpus", self.place / "driver"),
        ):
            assert text.count(real) == 1
            text = text.replace(real, str(ours))
        script = self.place / "script"
        script.write_text(text)
        script.chmod(0o700)
        variables = {"SLURM_JOB_ID": str(job), "SLURM_SCRIPT_CONTEXT": f"{context}_slurmd"}
        if gpus:
            variables["SLURM_JOB_GPUS"] = gpus
        done = subprocess.run([script], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, "a prolog that fails takes its node out of service"

    def begins(self, job: int, gpus: str = "") -> None:
        self.run("prolog", job, gpus)

    def ends(self, job: int, gpus: str = "") -> None:
        self.run("epilog", job, gpus)

    @property
    def noted(self) -> dict[str, list[str]]:
        """Jobs by DCGM's number of the GPU, as the exporter reads them."""
        files = {file.name: file.read_text().splitlines() for file in self.jobs.iterdir()}
        return {name: jobs for name, jobs in files.items() if jobs}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_job_is_noted_for_its_gpus_until_it_ends(node: Node) -> None:
    node.begins(7, "1,3")
    node.begins(8, "0")
    assert node.noted == {"0": ["8"], "1": ["7"], "3": ["7"]}
    node.ends(7, "1,3")
    assert node.noted == {"0": ["8"]}
    node.begins(9, "3")
    assert node.noted == {"0": ["8"], "3": ["9"]}


def test_a_gpu_is_noted_by_its_place_on_the_bus(tmp_path: Path) -> None:
    node = Node(tmp_path, minors=(2, 3, 0, 1))
    node.begins(7, "0,3")
    assert node.noted == {"1": ["7"], "2": ["7"]}


def test_two_figures_are_not_one(tmp_path: Path) -> None:
    node = Node(tmp_path, minors=tuple(range(12)))
    node.begins(7, "10")
    assert node.noted == {"10": ["7"]}


def test_a_job_without_gpus_is_not_noted_and_ends_nothing(node: Node) -> None:
    node.begins(7, "0")
    node.begins(8)
    node.ends(8)
    assert node.noted == {"0": ["7"]}


def test_a_job_ends_also_where_slurm_no_longer_says_what_it_had(node: Node) -> None:
    node.begins(7, "0,1")
    node.ends(7)
    assert node.noted == {}


def test_what_an_earlier_job_left_behind_is_overwritten(node: Node) -> None:
    node.begins(7, "0")
    node.begins(8, "0")
    node.ends(7)
    assert node.noted == {"0": ["8"]}


def test_a_node_that_measures_nothing_runs_its_jobs(node: Node) -> None:
    node.jobs.rmdir()
    node.begins(7, "0")
    node.ends(7)
    assert not node.jobs.exists()


def test_nothing_that_goes_wrong_fails_a_job(tmp_path: Path) -> None:
    without_driver = Node(tmp_path, minors=())
    without_driver.begins(7, "0")
    assert without_driver.noted == {}
    # Nobody may write a directory as a file, not even root.
    (tmp_path / "other").mkdir()
    other = Node(tmp_path / "other")
    (other.jobs / "0").mkdir()
    other.begins(7, "0,1")
    assert (other.jobs / "1").read_text() == "7\n"
    other.ends(7)
    assert (other.jobs / "1").read_text() == ""
