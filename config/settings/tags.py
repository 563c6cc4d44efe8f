"""Tags: what both a Docker label and an AWS tag can be."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from config.settings.part import Text, refusal

# https://docs.aws.amazon.com/general/latest/gr/aws_tagging.html: 50 tags, 128 and 256 characters;
# ten are left for our own. Docker's labels have no narrower limit.
MOST_TAGS = 40
_RESERVED = re.compile(
    r"aws:|hpc-stack|com\.docker\.|io\.docker\.|org\.dockerproject\.", re.IGNORECASE
)


def _not_reserved(name: str) -> str:
    if _RESERVED.match(name) or name == "Name":
        raise refusal(
            "a name that is not Name and does not begin with aws:, hpc-stack or com.docker.",
            "choose another name",
        )
    return name


TagName = Annotated[
    Text,
    Field(
        # No '=': `docker ps --filter label=name=value` could not name it.
        pattern=r"^[A-Za-z0-9+._:/@-]([A-Za-z0-9 +._:/@-]{0,126}[A-Za-z0-9+._:/@-])?$",
        json_schema_extra={"allowed": "1 to 128 letters, digits, inner spaces and + - . _ : / @"},
    ),
    AfterValidator(_not_reserved),
]
TagValue = Annotated[
    Text,
    Field(
        pattern=r"^[A-Za-z0-9 +=._:/@-]{0,256}$",
        json_schema_extra={"allowed": "up to 256 letters, digits, spaces and + - = . _ : / @"},
    ),
]
Tags = Annotated[dict[TagName, TagValue], Field(max_length=MOST_TAGS)]
