"""Asking AWS for the catalogue: EC2's part against moto's server, the price list a small server."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from config.catalogue import Catalogue, Price, catalogue, parse_catalogue
from ops.catalogue import (
    Answers,
    described_type,
    file_text,
    gpu_name,
    lowest_prices,
    network_gbps,
    product_price,
    refresh,
    refreshed,
    summary,
)
from ops.environment import CHECKOUT
from ops.stack import StackProblem
from tests.node_manager.moto_server import environment, moto_server

MOTO_SPOT = 0.00001
"""What moto says of each type in each zone."""


def product(dollars: str, unit: str = "Hrs") -> str:
    """A product of GetProducts: only what is read of it."""
    dimension = {"unit": unit, "pricePerUnit": {"USD": dollars}}
    return json.dumps({"terms": {"OnDemand": {"sku": {"priceDimensions": {"rate": dimension}}}}})


def small(*names: str, region: str = "us-east-1", date: str = "2020-01-01") -> Catalogue:
    """Types of ours, as they were known on another day."""
    types = {
        name: replace(kind, price=replace(kind.price, region=region, date=date))
        for name, kind in catalogue().items()
        if name in names
    }
    return Catalogue(region=region, date=date, note="for tests", types=types)


def answers(*names: str, region: str = "us-east-1", **changed: Any) -> Answers:
    """What AWS says of these types: 2 dollars on demand and 1 as spot. Changes are fields."""
    said = Answers(
        region=region,
        date="2026-11-24",
        described={name: INSTANCE_TYPES[name] for name in names},
        on_demand=dict.fromkeys(names, 2.0),
        spot=dict.fromkeys(names, 1.0),
    )
    return replace(said, **changed)


@dataclass
class PriceList:
    """The Pricing API of a test: prices by type and region, and each question's filters."""

    prices: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    refusal: str = ""

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        filters = {one["Field"]: one["Value"] for one in question["Filters"]}
        self.asked.append({"service": question["ServiceCode"], **filters})
        price = self.prices.get((filters["instanceType"], filters["regionCode"]))
        return {"FormatVersion": "aws_v1", "PriceList": [product(price)] if price else []}


@contextmanager
def served(price_list: PriceList) -> Iterator[str]:
    """A server that answers as the price list does; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            refused = {"__type": "AccessDeniedException", "message": price_list.refusal}
            answer = refused if price_list.refusal else price_list.answer(question)
            body = json.dumps(answer).encode()
            self.send_response(400 if price_list.refusal else 200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def price_list(moto: str) -> Iterator[PriceList]:
    """The price list of an AWS that answers every client made in the test."""
    made = PriceList()
    with served(made) as endpoint:
        variables = {**environment(moto), "AWS_ENDPOINT_URL_PRICING": endpoint}
        with mock.patch.dict(os.environ, variables):
            yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of two types."""
    path = tmp_path / "instance_types.json"
    path.write_text(file_text(small("c7i.large", "t4g.small")))
    return path


def test_a_refresh_takes_prices_from_aws_and_adds_what_was_asked_for(
    price_list: PriceList, file: Path
) -> None:
    price_list.prices = {
        ("c7i.large", "us-east-1"): "0.0900000000",
        ("t4g.small", "us-east-1"): "0.0168000000",
        ("g6.xlarge", "us-east-1"): "0.8048000000",
    }
    said = refresh(file, ["g6.xlarge"], None)
    found = parse_catalogue(file.read_text())
    assert list(found.types) == ["c7i.large", "g6.xlarge", "t4g.small"]
    assert found.types["c7i.large"].price.on_demand == 0.09
    assert found.types["c7i.large"].price.spot == MOTO_SPOT
    assert found.types["g6.xlarge"] == replace(
        catalogue()["g6.xlarge"], price=found.types["g6.xlarge"].price
    )
    assert found.types["g6.xlarge"].price.on_demand == 0.8048
    assert {kind.price.date for kind in found.types.values()} == {found.date}
    assert found.date > "2020-01-01"
    assert f"3 types, us-east-1, {found.date}: 2 changed, 1 added" in said
    assert "added g6.xlarge" in said
    assert "kept" not in said


def test_the_price_list_is_asked_for_linux_on_shared_machines_and_nothing_on_top(
    price_list: PriceList, file: Path
) -> None:
    refresh(file, [], None)
    assert price_list.asked[0] == {
        "service": "AmazonEC2",
        "instanceType": "c7i.large",
        "regionCode": "us-east-1",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }


def test_a_price_that_aws_does_not_name_is_kept_and_said(price_list: PriceList, file: Path) -> None:
    price_list.prices = {("t4g.small", "us-east-1"): "0.02"}
    said = refresh(file, [], None)
    found = parse_catalogue(file.read_text()).types
    assert found["c7i.large"].price == replace(catalogue()["c7i.large"].price, date="2020-01-01")
    assert found["t4g.small"].price.on_demand == 0.02
    assert "kept c7i.large, price: AWS names no on-demand price in us-east-1" in said


def test_another_region_may_be_asked(price_list: PriceList, file: Path) -> None:
    price_list.prices = {("c7i.large", "eu-west-1"): "0.0955"}
    refresh(file, [], "eu-west-1")
    found = parse_catalogue(file.read_text())
    assert found.region == "eu-west-1"
    assert found.types["c7i.large"].price.region == "eu-west-1"
    assert found.types["t4g.small"].price.region == "us-east-1"


def test_a_type_that_ec2_does_not_know_is_refused_and_nothing_is_written(
    price_list: PriceList, file: Path
) -> None:
    before = file.read_bytes()
    with pytest.raises(StackProblem, match=r"EC2 does not offer c7i\.huge in us-east-1") as caught:
        refresh(file, ["c7i.huge"], None)
    assert "Nothing is written." in str(caught.value)
    assert file.read_bytes() == before
    assert price_list.asked, "it asked, and refused what came back"


def test_asking_twice_changes_nothing(price_list: PriceList, file: Path) -> None:
    price_list.prices = {("c7i.large", "us-east-1"): "0.09", ("t4g.small", "us-east-1"): "0.02"}
    refresh(file, [], None)
    first = file.read_bytes()
    assert "0 changed, 0 added" in refresh(file, [], None)
    assert file.read_bytes() == first
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("added", "region", "said"),
    [
        (["c7i"], None, '"c7i" is no instance type. Allowed: one such as c7i.large'),
        (["c7i.*"], None, r'"c7i.\*" is no instance type'),
        ([], "", '--region "" is no region. Allowed: one such as us-east-1'),
        ([], "Ireland", '--region "Ireland" is no region'),
    ],
)
def test_a_mistyped_name_is_said_before_aws_is_asked(
    file: Path, added: list[str], region: str | None, said: str
) -> None:
    with pytest.raises(StackProblem, match=said):
        refresh(file, added, region)


def test_an_aws_that_refuses_is_said_with_what_is_needed(price_list: PriceList, file: Path) -> None:
    before = file.read_bytes()
    price_list.refusal = "not authorized to perform: pricing:GetProducts"
    with pytest.raises(
        StackProblem,
        match=r"does not answer about instance types in us-east-1: .*not authorized to perform",
    ) as caught:
        refresh(file, [], None)
    assert "ec2:DescribeSpotPriceHistory and pricing:GetProducts" in str(caught.value)
    assert file.read_bytes() == before


def test_without_credentials_the_command_says_so_without_a_stack_trace(tmp_path: Path) -> None:
    surroundings = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [sys.executable, "-m", "ops.catalogue", "c7i.large"],
        cwd=CHECKOUT,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Unable to locate credentials" in done.stderr
    assert "Fix: check the region and your credentials" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_type_that_the_region_does_not_offer_stays_as_it_was() -> None:
    known = small("c7i.large", "hpc7a.96xlarge")
    result = refreshed(known, answers("c7i.large"))
    assert result.catalogue.types["hpc7a.96xlarge"] == known.types["hpc7a.96xlarge"]
    assert result.kept == {"hpc7a.96xlarge": "all of it: EC2 does not offer it in us-east-1"}
    assert result.changed == ("c7i.large",)


def test_what_was_kept_keeps_its_region_and_day_through_the_file() -> None:
    known = small("c7i.large", "hpc7a.96xlarge", region="us-east-2")
    result = refreshed(known, answers("c7i.large"))
    found = parse_catalogue(file_text(result.catalogue))
    assert found == result.catalogue
    kept = found.types["hpc7a.96xlarge"].price
    assert (kept.region, kept.date) == ("us-east-2", "2020-01-01")


def test_without_a_spot_price_the_whole_price_is_kept_so_that_both_are_of_one_day() -> None:
    known = small("c7i.large")
    result = refreshed(known, answers("c7i.large", spot={}))
    assert result.catalogue.types["c7i.large"].price == known.types["c7i.large"].price
    assert "no spot price" in result.kept["c7i.large"]


def test_a_type_that_is_not_sold_as_spot_needs_no_spot_price() -> None:
    result = refreshed(small("hpc7g.4xlarge"), answers("hpc7g.4xlarge", spot={}))
    price = Price(on_demand=2.0, spot=None, region="us-east-1", date="2026-11-24")
    assert result.catalogue.types["hpc7g.4xlarge"].price == price
    assert result.kept == {}


def test_a_new_type_without_a_spot_price_is_added_and_said() -> None:
    result = refreshed(small("c7i.large"), answers("c7i.large", "m5.large", spot={}), ["m5.large"])
    assert result.catalogue.types["m5.large"].price.spot is None
    assert "added m5.large, no spot price: not for spot pools" in summary(result)


def test_facts_that_have_changed_are_taken_even_if_the_price_is_kept() -> None:
    known = small("c7i.large")
    described = {**INSTANCE_TYPES["c7i.large"], "MemoryInfo": {"SizeInMiB": 5000}}
    said = answers("c7i.large", on_demand={}, described={"c7i.large": described})
    found = refreshed(known, said).catalogue.types["c7i.large"]
    assert (found.memory_mb, found.price) == (5000, known.types["c7i.large"].price)


def test_a_type_that_is_there_already_is_not_added_again() -> None:
    result = refreshed(small("c7i.large"), answers("c7i.large"), ["c7i.large"])
    assert (list(result.catalogue.types), result.added) == (["c7i.large"], ())


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("mac2.metal", {}, "mac2.metal is arm64_mac. Allowed: x86_64 and arm64"),
        ("g6f.large", {}, "g6f.large has a part of a GPU. Allowed: whole GPUs"),
        ("m5.large", {"on_demand": {}}, "AWS names no on-demand price of m5.large in us-east-1"),
        ("m5.large", {"described": {}}, "EC2 does not offer m5.large in us-east-1"),
    ],
)
def test_a_type_that_nodes_cannot_be_is_refused(
    name: str, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(StackProblem, match=said) as caught:
        refreshed(small(), answers(name, **changed), [name])
    assert "Fix: " in str(caught.value)


def test_types_are_written_in_the_same_order_whatever_order_they_came_in() -> None:
    known = small("t4g.small", "c7i.large", "c7i.2xlarge", "c7i.16xlarge", "c6a.large")
    turned = replace(known, types=dict(reversed(list(known.types.items()))))
    assert file_text(turned) == file_text(known)
    assert list(parse_catalogue(file_text(turned)).types) == [
        "c6a.large",
        "c7i.large",
        "c7i.2xlarge",
        "c7i.16xlarge",
        "t4g.small",
    ]


@pytest.mark.parametrize(
    ("aws", "slurm"),
    [
        ("A10G", "a10g"),
        ("H100", "h100"),
        ("T4g", "t4g"),
        ("L40S", "l40s"),
        ("RTX PRO Server 6000", "rtx-pro-server-6000"),
        ("Radeon Pro V520 ", "radeon-pro-v520"),
    ],
)
def test_a_gpu_is_named_in_lower_case_with_dashes(aws: str, slurm: str) -> None:
    assert gpu_name(aws) == slurm


@pytest.mark.parametrize(
    ("words", "cards", "gbps"),
    [
        ("Up to 12.5 Gigabit", [12.5], 12.5),
        ("4x 100 Gigabit", [100.0] * 4, 400),
        ("200 Gigabit", [200.0, 200.0], 200),
        ("512 Megabit", [0.512], 0.512),
        ("Low to Moderate", [0.5, 0.7], 1.2),
    ],
)
def test_the_network_is_as_fast_as_all_cards_are_together(
    words: str, cards: list[float], gbps: float
) -> None:
    peaks = [{"PeakBandwidthInGbps": peak} for peak in cards]
    assert network_gbps({"NetworkPerformance": words, "NetworkCards": peaks}) == gbps


def test_a_type_can_be_placed_only_where_ec2_has_the_cluster_strategy() -> None:
    price = Price(on_demand=1, spot=None, region="us-east-1", date="2026-11-24")
    assert described_type(INSTANCE_TYPES["c7i.large"], price).placement_groups
    assert not described_type(INSTANCE_TYPES["t3.large"], price).placement_groups


def test_spinning_disks_and_disks_without_nvme_are_no_local_nvme() -> None:
    price = Price(on_demand=1, spot=None, region="us-east-1", date="2026-11-24")
    assert described_type(INSTANCE_TYPES["d2.xlarge"], price).nvme is None
    assert described_type(INSTANCE_TYPES["c7i.large"], price).nvme is None


def test_the_spot_price_is_the_lowest_of_the_zones() -> None:
    rows = [
        {"InstanceType": name, "AvailabilityZone": zone, "SpotPrice": price}
        for name, zone, price in (
            ("a.large", "us-east-1a", "0.031000"),
            ("a.large", "us-east-1b", "0.029500"),
            ("b.large", "us-east-1a", "0.5"),
            ("a.large", "us-east-1c", "0.040000"),
        )
    ]
    assert lowest_prices(rows) == {"a.large": 0.0295, "b.large": 0.5}


def test_the_on_demand_price_is_by_the_hour_and_above_nothing() -> None:
    assert product_price([product("0.0000000000"), product("0.0892500000")]) == 0.08925
    assert product_price([product("0.0892500000"), product("0.01", unit="Quantity")]) == 0.08925
    assert product_price([product("0.0000000000")]) is None
    assert product_price([]) is None
