"""The catalogue of instance types and prices: what it says is sane, and is what EC2 says."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from config.catalogue import (
    PRICES_FILE,
    TYPES_FILE,
    GpuKind,
    InstanceType,
    Nvme,
    Prices,
    catalogue,
    memory_for_jobs,
    parse_catalogue,
    prices,
)
from config.settings.pools import Gpus
from ops.catalogue import described_type, file_text

KINDS = list(catalogue().values())


def names_that(violate: Callable[[InstanceType], bool]) -> list[str]:
    return [kind.name for kind in KINDS if violate(kind)]


def family(kind: InstanceType) -> str:
    return kind.name.partition(".")[0]


def test_there_are_types_for_controllers_for_jobs_for_gpus_and_for_both_architectures() -> None:
    families = {family(kind) for kind in KINDS}
    general = {f"{letter}{age}" for letter in "cmr" for age in ("6i", "6a", "6g", "7i", "7a", "7g")}
    assert general | {"c8g", "m8g", "r8g"} <= families
    assert {"t3", "t3a", "t4g", "c6id", "c7gd", "m7gd", "i4i"} <= families
    assert {"hpc6a", "hpc7a", "hpc7g"} <= families
    assert {"g4dn", "g5", "g5g", "g6", "g6e", "p4d", "p5", "p5en"} <= families
    assert {kind.architecture for kind in KINDS} == {"x86_64", "arm64"}


def hardware(kind: InstanceType) -> tuple[Any, ...]:
    """What of a type never changes; AWS does speed up networks."""
    return kind.vcpus, kind.memory_mb, kind.architecture, kind.gpus, kind.nvme, kind.burstable


def test_a_type_has_the_hardware_that_ec2_describes() -> None:
    # moto carries EC2's own answers, but not of types that are newer than it is.
    both = [kind for kind in KINDS if kind.name in INSTANCE_TYPES]
    assert len(both) > 200
    described = {k.name: described_type(INSTANCE_TYPES[k.name], k.price) for k in both}
    assert [k.name for k in both if hardware(described[k.name]) != hardware(k)] == []


HAND = {
    "t4g.small": (2, 2048, "arm64", None, 0, None, 5.0, True, False),
    "c7i.large": (2, 4096, "x86_64", None, 0, None, 12.5, False, True),
    "m7gd.xlarge": (4, 16384, "arm64", None, 0, (1, 237), 12.5, False, True),
    "hpc7a.96xlarge": (192, 786432, "x86_64", None, 2, None, 300.0, False, True),
    "g5.12xlarge": (48, 196608, "x86_64", ("a10g", 4, 22888), 1, (1, 3800), 40.0, False, True),
    "g5g.16xlarge": (64, 131072, "arm64", ("t4g", 2, 16384), 0, None, 25.0, False, True),
    "g6e.48xlarge": (192, 1572864, "x86_64", ("l40s", 8, 45776), 4, (4, 7600), 400.0, False, True),
    "p4d.24xlarge": (96, 1179648, "x86_64", ("a100", 8, 40960), 4, (8, 8000), 400.0, False, True),
    "p5.48xlarge": (192, 2097152, "x86_64", ("h100", 8, 81920), 32, (8, 30400), 3200, False, True),
}
"""Name to CPUs, memory, architecture, GPUs, EFAs, NVMe, Gbit/s, burstable, placement groups: by
AWS' pages of the types."""


@pytest.mark.parametrize("name", HAND)
def test_a_type_has_the_shape_that_aws_publishes(name: str) -> None:
    kind = catalogue()[name]
    cpus, memory, architecture, gpus, efas, nvme, network, burstable, groups = HAND[name]
    assert (kind.vcpus, kind.memory_mb, kind.architecture) == (cpus, memory, architecture)
    assert kind.gpus == (gpus and GpuKind(type=gpus[0], count=gpus[1], memory_mb=gpus[2]))
    assert (kind.efa, kind.efa_interfaces) == (efas > 0, efas)
    assert kind.nvme == (nvme and Nvme(disks=nvme[0], gb=nvme[1]))
    assert kind.network_gbps == network
    assert (kind.burstable, kind.placement_groups) == (burstable, groups)


def test_gpus_are_in_the_families_with_a_g_or_a_p_and_in_no_other() -> None:
    assert names_that(lambda kind: bool(kind.gpus) != kind.name.startswith(("g", "p"))) == []


def test_a_gpu_has_a_name_that_settings_allow() -> None:
    for kind in KINDS:
        if kind.gpus:
            Gpus(type=kind.gpus.type, count=kind.gpus.count)
            assert re.fullmatch("[a-z0-9-]+", kind.gpus.type)
            assert kind.gpus.memory_mb > 10_000


def test_a_type_with_efa_has_interfaces_for_it_and_can_be_placed() -> None:
    assert names_that(lambda kind: kind.efa != (kind.efa_interfaces > 0)) == []
    assert names_that(lambda kind: kind.efa and not kind.placement_groups) == []
    assert names_that(lambda kind: kind.name.startswith("hpc") and not kind.efa) == []


def test_only_the_t_families_are_burstable() -> None:
    assert names_that(lambda kind: kind.burstable != kind.name.startswith("t")) == []


def test_local_disks_hold_something() -> None:
    assert names_that(lambda k: k.nvme is not None and not 0 < k.nvme.disks < k.nvme.gb) == []
    assert names_that(lambda k: family(k) in {"c6id", "c7gd", "i4i"} and not k.nvme) == []


def test_every_machine_has_a_network_and_prices_that_are_above_nothing() -> None:
    assert names_that(lambda kind: kind.network_gbps <= 0) == []
    assert names_that(lambda kind: kind.price.on_demand <= 0) == []
    assert names_that(lambda kind: kind.price.spot is not None and kind.price.spot <= 0) == []


def test_spot_costs_no_more_than_on_demand() -> None:
    # EC2 caps it there: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-instances.html
    assert names_that(lambda kind: (kind.price.spot or 0) > kind.price.on_demand) == []


def test_hpc_types_are_not_sold_as_spot_and_general_ones_are() -> None:
    assert names_that(lambda k: k.name.startswith("hpc") and k.price.spot is not None) == []
    assert names_that(lambda k: k.name[0] in "cmrt" and k.price.spot is None) == []


def test_a_larger_size_of_a_general_family_costs_more() -> None:
    general = [kind for kind in KINDS if kind.name[0] in "cmrit"]
    for smaller in general:
        for larger in general:
            if family(smaller) == family(larger) and smaller.memory_mb < larger.memory_mb:
                assert smaller.price.on_demand < larger.price.on_demand, larger.name


def test_prices_say_where_and_when_they_held() -> None:
    assert names_that(lambda kind: not re.fullmatch(r"\d{4}-\d\d-\d\d", kind.price.date)) == []
    assert catalogue()["c7i.large"].price.region == parse_catalogue(TYPES_FILE.read_text()).region


MEMORY = [(2048, 1454), (4096, 3420), (8192, 7352), (16384, 15216), (786432, 754462)]


@pytest.mark.parametrize(("nominal", "usable"), MEMORY)
def test_the_system_keeps_512_mib_and_4_percent_of_the_memory(nominal: int, usable: int) -> None:
    assert memory_for_jobs(nominal) == usable


def test_jobs_may_use_every_cpu_and_some_of_the_memory() -> None:
    assert names_that(lambda kind: kind.usable_cpus != kind.vcpus) == []
    assert names_that(lambda k: not 0.7 < k.usable_memory_mb / k.memory_mb < 0.96) == []
    assert names_that(lambda k: k.usable_memory_mb != memory_for_jobs(k.memory_mb)) == []


def test_writing_what_was_read_gives_the_same_bytes() -> None:
    text = TYPES_FILE.read_text()
    assert file_text(parse_catalogue(text)) == text


def test_a_type_takes_one_line_of_the_file() -> None:
    lines = TYPES_FILE.read_text().splitlines()
    assert [name for name in catalogue() if sum(f'"{name}":' in line for line in lines) != 1] == []
    assert len(lines) == len(KINDS) + 8


def price_entries() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads(PRICES_FILE.read_text())["prices"]
    return entries


def test_every_other_price_is_above_nothing_and_names_its_page_at_aws() -> None:
    entries = price_entries()
    assert set(entries) == {field.name for field in fields(Prices)} - {"region", "date"}
    for name, entry in entries.items():
        assert entry["dollars"] > 0, name
        assert re.fullmatch(
            r"https://aws\.amazon\.com/[a-z0-9/-]*pricing/([a-z-]+/)?", entry["source"]
        )


def test_other_prices_are_read_from_their_file() -> None:
    found = prices()
    for name, entry in price_entries().items():
        assert getattr(found, name) == entry["dollars"]
    assert (found.ebs_gp3_gb_month, found.nat_gateway_hour) == (0.08, 0.045)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found.date)
