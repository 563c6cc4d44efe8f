"""Both MPIs over two nodes, and a real scientific code, without the user setting anything."""

import re

from tests.cluster.running_cluster import RunningCluster


def _compile(cluster: RunningCluster, compiler: str) -> None:
    cluster.run(
        "ada",
        f"rm -rf mpi-{compiler} && cp -r /opt/hpc-stack/examples/mpi mpi-{compiler}"
        f" && cd mpi-{compiler} && {compiler} -O2 -o pi pi.c -lm",
    )


def test_an_mpich_program_runs_over_two_nodes_by_srun(cluster: RunningCluster) -> None:
    _compile(cluster, "mpicc.mpich")
    job = cluster.run("ada", "cd mpi-mpicc.mpich && sbatch --parsable pi.sbatch")
    cluster.finish(job)
    output = cluster.run("ada", f"cat mpi-mpicc.mpich/pi-{job}.out")
    assert len(re.findall(r"rank \d of 2 on cpu-\d", output)) == 2
    assert len(set(re.findall(r"on (cpu-\d)", output))) == 2
    assert "pi = 3.14159265" in output


def test_an_open_mpi_program_runs_over_two_nodes_by_mpirun(cluster: RunningCluster) -> None:
    _compile(cluster, "mpicc")
    job = cluster.submit(
        "ada", "cd mpi-mpicc && mpirun ./pi", "--nodes=2", "--ntasks-per-node=2", "--mem=500M"
    )
    cluster.finish(job)
    output = cluster.output(job)
    assert len(re.findall(r"rank \d of 4", output)) == 4
    assert len(set(re.findall(r"on (cpu-\d)", output))) == 2
    assert "by 4 ranks" in output


def test_lammps_melts_a_crystal_over_two_nodes_and_sacct_shows_it(cluster: RunningCluster) -> None:
    cluster.run("ada", "rm -rf lammps && cp -r /opt/hpc-stack/examples/lammps .")
    job = cluster.run("ada", "cd lammps && sbatch --parsable melt.sbatch")
    cluster.finish(job, seconds=180)
    log = cluster.run("ada", f"cat lammps/melt-{job}.log")
    assert "Loop time of" in log
    assert "4 procs for 100 steps with 32000 atoms" in log
    assert re.search(r"Performance: [\d.]+ tau/day", log)
    # Energy is conserved: the total per atom at the end is that of the start.
    totals = re.findall(r"^ +\d+ +\S+ +\S+ +\S+ +(-?\d+\.\d+)", log, re.MULTILINE)
    assert abs(float(totals[0]) - float(totals[-1])) < 0.01
    assert cluster.record(job, "NNodes,User,ExitCode") == "2|ada|0:0"
