"""Address ranges in CIDR notation."""

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field

from config.settings.part import Text, refusal

ALLOWED = "an IPv4 range in CIDR notation, for instance 10.20.0.0/16"
ALLOWED_ADDRESS = "an IPv4 address, for instance 10.20.0.10"

WIDEST_PUBLIC = 16
"""Prefix length of the widest public range that may reach a cluster: one organisation's."""


def parsed(text: str) -> IPv4Network:
    """The range; raises a refusal for what is none, or has bits set outside its prefix."""
    try:
        if "/" not in text:
            raise ValueError
        loose = IPv4Network(text, strict=False)
    except ValueError:
        raise refusal(ALLOWED, "write an address, '/' and the length of the prefix") from None
    if str(loose) != text:
        raise refusal(ALLOWED, f"write {loose}, which is the whole range")
    return loose


def _address(text: str) -> str:
    try:
        IPv4Address(text)
    except ValueError:
        raise refusal(ALLOWED_ADDRESS, "write four numbers from 0 to 255, with dots") from None
    return text


def _valid(text: str) -> str:
    parsed(text)
    return text


def _not_the_world(text: str) -> str:
    network = parsed(text)
    # Two halves of the internet are the internet, too: hence a width, not a list.
    if not network.is_private and network.prefixlen < WIDEST_PUBLIC:
        raise refusal(
            f"private ranges, and public ones no wider than /{WIDEST_PUBLIC}",
            "name the addresses of your institute or VPN, never the whole internet; without the "
            "setting people come in through SSM, which needs no open port",
        )
    return text


Address = Annotated[
    Text, AfterValidator(_address), Field(json_schema_extra={"allowed": ALLOWED_ADDRESS})
]
Cidr = Annotated[Text, AfterValidator(_valid), Field(json_schema_extra={"allowed": ALLOWED})]
NarrowCidr = Annotated[
    Text,
    AfterValidator(_not_the_world),
    Field(
        json_schema_extra={
            "allowed": f"{ALLOWED}; a public one no wider than /{WIDEST_PUBLIC}, never 0.0.0.0/0"
        }
    ),
]
