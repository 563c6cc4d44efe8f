"""The catalogue of instance types (config/catalogue/instance_types.json): ask AWS again, add types.

    python -m ops.catalogue [TYPE ...] [--region REGION]

What EC2 says of each type, its price on demand and the lowest spot price over the zones, now. A
type that AWS does not answer for stays as it was, and so does a price; both are said. Nothing is
written when a type that was asked for cannot be added.
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from config.catalogue import TYPES_FILE, Catalogue, GpuKind, InstanceType, Nvme, Price
from config.catalogue import parse_catalogue as parse
from ops.stack import StackProblem, run_command

_PRICING_REGION = "us-east-1"
"""One of the few that answer for all: https://docs.aws.amazon.com/general/latest/gr/billing.html"""
_PATIENT = Config(retries={"mode": "standard", "max_attempts": 10})
"""It is asked once for each type, and throttles."""
_BATCH = 100
"""Names in one request: a filter takes 200 values at most."""
_TYPE_NAME = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
_REGION_NAME = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_SPEED = re.compile(r"(?:(\d+)x )?([\d.]+) (Giga|Mega)bit")
_ELSEWHERE = "take all prices from a region that has it: --region REGION"
Description = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What AWS said on one day in one region, by type. Whatever it does not know is not in it."""

    region: str
    date: str
    described: Mapping[str, Description]
    on_demand: Mapping[str, float]
    spot: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """The catalogue after the answers, and what to tell about it."""

    catalogue: Catalogue
    added: tuple[str, ...]
    changed: tuple[str, ...]
    kept: Mapping[str, str]
    """What stays as it was although AWS was asked: type to reason."""


def refreshed(known: Catalogue, answers: Answers, added: Sequence[str] = ()) -> Refreshed:
    """The catalogue with the answers in it, and these types besides. Raises StackProblem."""
    new = [name for name in dict.fromkeys(added) if name not in known.types]
    if problems := [text for name in new for text in _obstacles(name, answers)]:
        raise StackProblem("\n".join([*problems, "Nothing is written."]))
    types: dict[str, InstanceType] = {}
    kept: dict[str, str] = {}
    for name, kind in known.types.items():
        if name not in answers.described:
            types[name] = kind
            kept[name] = f"all of it: EC2 does not offer it in {answers.region}"
            continue
        price = _price(answers, name)
        if not price or (price.spot is None and _sold_as_spot(answers.described[name])):
            what = "spot" if price else "on-demand"
            kept[name] = f"price: AWS names no {what} price in {answers.region}"
            price = kind.price
        types[name] = described_type(answers.described[name], price)
    for name in new:
        if price := _price(answers, name):
            types[name] = described_type(answers.described[name], price)
    return Refreshed(
        catalogue=replace(known, region=answers.region, date=answers.date, types=types),
        added=tuple(sorted(new)),
        changed=tuple(name for name, kind in known.types.items() if _differs(kind, types[name])),
        kept=kept,
    )


def _obstacles(name: str, answers: Answers) -> Iterator[str]:
    """Why a type cannot be added."""
    description = answers.described.get(name)
    if description is None:
        yield (
            f"EC2 does not offer {name} in {answers.region}.\nFix: check the name, or {_ELSEWHERE}"
        )
        return
    if _architecture(description) is None:
        found = ", ".join(description["ProcessorInfo"]["SupportedArchitectures"])
        yield f"{name} is {found}. Allowed: x86_64 and arm64. Fix: choose another type"
    if any(not gpu.get("Count") for gpu in _gpus(description)):
        yield f"{name} has a part of a GPU. Allowed: whole GPUs. Fix: choose another type"
    if name not in answers.on_demand:
        yield (f"AWS names no on-demand price of {name} in {answers.region}.\nFix: {_ELSEWHERE}")


def _price(answers: Answers, name: str) -> Price | None:
    if name not in answers.on_demand:
        return None
    return Price(
        on_demand=answers.on_demand[name],
        spot=answers.spot.get(name),
        region=answers.region,
        date=answers.date,
    )


def _differs(old: InstanceType, new: InstanceType) -> bool:
    """Apart from the day on which the price was asked for."""
    return replace(new, price=replace(new.price, date=old.price.date)) != old


def described_type(description: Description, price: Price) -> InstanceType:
    """A type from what DescribeInstanceTypes says of it, which is one we can use."""
    network = description["NetworkInfo"]
    strategies = description.get("PlacementGroupInfo", {}).get("SupportedStrategies", [])
    return InstanceType(
        name=description["InstanceType"],
        vcpus=description["VCpuInfo"]["DefaultVCpus"],
        memory_mb=description["MemoryInfo"]["SizeInMiB"],
        architecture=_architecture(description) or "x86_64",
        gpus=_gpu_kind(description),
        efa=bool(network.get("EfaSupported")),
        efa_interfaces=network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0),
        nvme=_nvme(description),
        network_gbps=network_gbps(network),
        burstable=bool(description.get("BurstablePerformanceSupported")),
        placement_groups="cluster" in strategies,
        price=price,
    )


def gpu_name(name: str) -> str:
    """How Slurm names a GPU that EC2 calls `name`: "A10G" is a10g, "RTX PRO 4500" rtx-pro-4500."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def network_gbps(network: Description) -> float:
    """The peak of all cards together in Gbit/s, from an answer's NetworkInfo.

    EC2's own words count where they have a number. Added up, the cards are twice too fast where
    they share a limit: g6e.24xlarge has two of 200, and 200 in all.
    """
    if said := _SPEED.search(network.get("NetworkPerformance", "")):
        speed = int(said[1] or 1) * float(said[2])
        return round(speed if said[3] == "Giga" else speed / 1000, 3)
    cards = [float(card["PeakBandwidthInGbps"]) for card in network.get("NetworkCards", [])]
    return round(sum(cards), 3)


def _architecture(description: Description) -> Literal["x86_64", "arm64"] | None:
    supported = description["ProcessorInfo"]["SupportedArchitectures"]
    return "x86_64" if "x86_64" in supported else "arm64" if "arm64" in supported else None


def _gpus(description: Description) -> list[dict[str, Any]]:
    return list(description.get("GpuInfo", {}).get("Gpus", []))


def _gpu_kind(description: Description) -> GpuKind | None:
    gpus = _gpus(description)
    if not gpus:
        return None
    return GpuKind(
        type=gpu_name(gpus[0]["Name"]),
        count=sum(gpu["Count"] for gpu in gpus),
        memory_mb=gpus[0]["MemoryInfo"]["SizeInMiB"],
    )


def _nvme(description: Description) -> Nvme | None:
    storage = description.get("InstanceStorageInfo")
    if not storage or storage.get("NvmeSupport") == "unsupported":
        return None
    disks = sum(disk["Count"] for disk in storage["Disks"])
    return Nvme(disks=disks, gb=storage["TotalSizeInGB"])


def _sold_as_spot(description: Description) -> bool:
    return "spot" in description.get("SupportedUsageClasses", [])


def product_price(products: Iterable[str]) -> float | None:
    """Dollars an hour on demand, from the texts of GetProducts' PriceList. None: there is none.

    Reserved capacity is listed as a product for nothing; a price of nothing is not counted.
    """
    found: list[float] = [
        float(dimension["pricePerUnit"].get("USD", 0))
        for text in products
        for term in json.loads(text).get("terms", {}).get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
        if dimension["unit"] == "Hrs"
    ]
    return min((price for price in found if price > 0), default=None)


def lowest_prices(history: Iterable[Description]) -> dict[str, float]:
    """The lowest spot price of each type over its zones, from rows of SpotPriceHistory."""
    lowest: dict[str, float] = {}
    for row in history:
        name, price = row["InstanceType"], float(row["SpotPrice"])
        lowest[name] = min(price, lowest.get(name, price))
    return lowest


def file_text(catalogue: Catalogue) -> str:
    """The file of types: one line a type, families in order and the small sizes first."""
    head = {"region": catalogue.region, "date": catalogue.date, "note": catalogue.note}
    lines = [f' "{key}": {json.dumps(value)},' for key, value in {"version": 1, **head}.items()]
    types = sorted(catalogue.types.values(), key=_order)
    entries = [f'  "{kind.name}": {json.dumps(_entry(kind, catalogue))}' for kind in types]
    return "\n".join(["{", *lines, ' "types": {', ",\n".join(entries), " }", "}", ""])


def _order(kind: InstanceType) -> tuple[str, int, int, str]:
    return (kind.name.partition(".")[0], kind.vcpus, kind.memory_mb, kind.name)


def _entry(kind: InstanceType, catalogue: Catalogue) -> dict[str, Any]:
    entry = asdict(kind)
    del entry["name"]
    for key, common in (("region", catalogue.region), ("date", catalogue.date)):
        if entry["price"][key] == common:
            del entry["price"][key]
    return entry


def ask(names: Sequence[str], region: str) -> Answers:
    """Ask AWS about types. Raises StackProblem where it does not answer at all."""
    now = datetime.now(UTC)
    try:
        ec2: Any = boto3.client("ec2", region_name=region)
        pricing: Any = boto3.client("pricing", region_name=_PRICING_REGION, config=_PATIENT)
        described = {
            kind["InstanceType"]: kind
            for batch in _batches(names)
            for page in ec2.get_paginator("describe_instance_types").paginate(
                # A filter, because one name that the region does not know fails a list of names.
                Filters=[{"Name": "instance-type", "Values": batch}]
            )
            for kind in page["InstanceTypes"]
        }
        history = [
            row
            for batch in _batches([n for n, kind in described.items() if _sold_as_spot(kind)])
            for page in ec2.get_paginator("describe_spot_price_history").paginate(
                Filters=[{"Name": "instance-type", "Values": batch}],
                ProductDescriptions=["Linux/UNIX"],
                StartTime=now,  # then it answers with the prices that hold now
            )
            for row in page["SpotPriceHistory"]
        ]
        on_demand = {
            name: price
            for name in described
            if (price := product_price(_products(pricing, name, region))) is not None
        }
    except (BotoCoreError, ClientError) as error:
        raise StackProblem(
            f"AWS does not answer about instance types in {region}: {error}\n"
            "Fix: check the region and your credentials (`aws sts get-caller-identity`); they need "
            "ec2:DescribeInstanceTypes, ec2:DescribeSpotPriceHistory and pricing:GetProducts"
        ) from None
    return Answers(
        region=region,
        date=f"{now:%Y-%m-%d}",
        described=described,
        on_demand=on_demand,
        spot=lowest_prices(history),
    )


def _products(pricing: Any, name: str, region: str) -> Iterator[str]:
    wanted = {
        "instanceType": name,
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    filters = [{"Type": "TERM_MATCH", "Field": key, "Value": text} for key, text in wanted.items()]
    pages = pricing.get_paginator("get_products")
    for page in pages.paginate(ServiceCode="AmazonEC2", Filters=filters):
        yield from page["PriceList"]


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    for begin in range(0, len(names), _BATCH):
        yield list(names[begin : begin + _BATCH])


def refresh(file: Path, added: Sequence[str], region: str | None) -> str:
    """Ask AWS, write the file, and return what to tell. Raises StackProblem."""
    known = parse(file.read_text())
    where = known.region if region is None else region
    if not _REGION_NAME.fullmatch(where):
        raise StackProblem(f'--region "{where}" is no region. Allowed: one such as {known.region}')
    if wrong := [name for name in added if not _TYPE_NAME.fullmatch(name)]:
        raise StackProblem(f'"{wrong[0]}" is no instance type. Allowed: one such as c7i.large')
    result = refreshed(known, ask(list(dict.fromkeys([*known.types, *added])), where), added)
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.write_text(file_text(result.catalogue))
    unfinished.replace(file)
    return summary(result)


def summary(result: Refreshed) -> str:
    """What has become of the catalogue."""
    catalogue = result.catalogue
    head = (
        f"{len(catalogue.types)} types, {catalogue.region}, {catalogue.date}: "
        f"{len(result.changed)} changed, {len(result.added)} added"
    )
    added = [
        f"  added {name}" + (", no spot price: not for spot pools" if price.spot is None else "")
        for name in result.added
        if (price := catalogue.types[name].price)
    ]
    kept = [f"  kept {name}, {why}" for name, why in result.kept.items()]
    return "\n".join([head, *added, *kept])


def main() -> None:
    """`catalogue.py [TYPE ...] [--region REGION]`."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.catalogue", description="Ask AWS what instance types are and cost."
    )
    parser.add_argument("types", metavar="TYPE", nargs="*", help="a type to add, such as c7i.large")
    parser.add_argument("--region", help="whose prices to take; the file's unless given")
    arguments = parser.parse_args()
    print(refresh(TYPES_FILE, arguments.types, arguments.region))


if __name__ == "__main__":
    run_command(main)
