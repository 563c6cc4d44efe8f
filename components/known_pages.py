"""Addresses as outputs that are known when something listens there, not before."""

from collections.abc import Mapping

import pulumi


def known_pages(
    addresses: Mapping[str, str], running: pulumi.Output[str]
) -> dict[str, pulumi.Output[str]]:
    """The same addresses by the same names, once `running` is known."""

    def known(address: str) -> pulumi.Output[str]:
        return running.apply(lambda _: address)

    return {name: known(address) for name, address in addresses.items()}
