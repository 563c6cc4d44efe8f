"""What AWS' error codes mean for a launch. Pure.

The codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

import re
from enum import Enum, auto

LONGEST_TEXT = 300


class Kind(Enum):
    """What can be done about an error."""

    CAPACITY = auto()
    """AWS has no such machine there at the moment: try another type or zone, or wait."""
    QUOTA = auto()
    """The account may have no more: wait, or ask AWS for more."""
    UNSUPPORTED = auto()
    """This type cannot be had there, ever."""
    PASSING = auto()
    """Throttling, or AWS' own trouble: the same request may succeed a moment later."""
    REFUSED = auto()
    """Permissions, the launch template, credentials: somebody must mend something."""


NO_ADDRESS = "InsufficientFreeAddressesInSubnet"

_CAPACITY = {
    NO_ADDRESS,
    "InsufficientAddressCapacity",
    "InsufficientCapacity",
    "InsufficientCapacityOnHost",
    "InsufficientHostCapacity",
    "InsufficientInstanceCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientVolumeCapacity",
    "ReservationCapacityExceeded",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
}
_QUOTA = {
    "AddressLimitExceeded",
    "InstanceLimitExceeded",
    "MaxFleetCountExceeded",
    "MaxIOPSLimitExceeded",
    "MaxSpotFleetRequestCountExceeded",
    "MaxSpotInstanceCountExceeded",
    "NetworkInterfaceLimitExceeded",
    "SpotInstanceCountLimitExceeded",
    "VcpuLimitExceeded",
    "VolumeIOPSLimit",
    "VolumeLimitExceeded",
}
_UNSUPPORTED = {
    # CreateFleet's word for a type that a zone does not have.
    "InvalidFleetConfiguration",
    "InvalidParameterCombination",
    "Unsupported",
    "UnsupportedHostConfiguration",
    "UnsupportedOperation",
}
_PASSING = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "InternalError",
    "InternalFailure",
    "OperationAborted",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
    "Unavailable",
}
_SERVER_ERROR = 500

# The names of the vCPU quotas in Service Quotas, by the letters that a type's name begins with.
_STANDARD = "Standard (A, C, D, H, I, M, R, T, Z)"
_BUCKETS = {
    **dict.fromkeys("acdhimrtz", _STANDARD),
    **dict.fromkeys(("im", "is"), _STANDARD),
    **dict.fromkeys(("g", "gr", "vt"), "G and VT"),
    "dl": "DL",
    "f": "F",
    "hpc": "HPC",
    "inf": "Inf",
    "p": "P",
    "trn": "Trn",
    "u": "High Memory",
    "x": "X",
}


def kind_of(code: str) -> Kind:
    """The kind of an error code. Unknown ones are refusals: trying again would hide them."""
    for kind, codes in (
        (Kind.CAPACITY, _CAPACITY),
        (Kind.QUOTA, _QUOTA),
        (Kind.UNSUPPORTED, _UNSUPPORTED),
        (Kind.PASSING, _PASSING),
    ):
        if code in codes:
            return kind
    return Kind.REFUSED


def is_passing(code: str, http_status: int) -> bool:
    """Whether the same request may succeed a moment later.

    Not by the status alone: EC2 answers 500 also when it has no capacity.
    """
    kind = kind_of(code)
    return kind is Kind.PASSING or (kind is Kind.REFUSED and http_status >= _SERVER_ERROR)


def quota_bucket(instance_type: str) -> str:
    """The quota that a type counts against, as Service Quotas names it; empty: not known."""
    letters = re.match(r"[a-z]+", instance_type)
    return _BUCKETS.get(letters[0], "") if letters else ""


def quota_value(message: str) -> str:
    """The number in "... than your current vCPU limit of 32 allows ..."; empty: none is named."""
    found = re.search(r"limit of ([\d,.]+\d|\d)", message)
    return found[1] if found else ""


def first_sentence(message: str) -> str:
    """The part of AWS' message before advice and links."""
    return re.split(r"\. (?=[A-Z])", one_line(message), maxsplit=1)[0].rstrip(".")


def one_line(message: str) -> str:
    """For logs and Slurm's reasons. The encoded part of a refusal is of no use to a reader."""
    text = " ".join(message.split())
    text = text.partition(" Encoded authorization failure message")[0]
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."
