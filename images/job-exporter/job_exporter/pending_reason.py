"""Why a job waits, in one of Slurm's own words, however much text slurmctld puts around it.

The value is a label: it must not contain nodes, limits or other jobs' numbers.
"""

import re

OTHER = "other"

# Whole sentences, by how they begin, and the word that Slurm has for the same thing elsewhere.
_SENTENCES = (
    ("Nodes required for job are", "ReqNodeNotAvail"),
    ("job requeued in held state", "JobHeldAdmin"),
    ("launch failed requeued held", "JobHeldAdmin"),
    ("user env retrieval failed requeued held", "JobHeldAdmin"),
    ("Job's account not permitted", "AccountNotAllowed"),
    ("Job's QOS not permitted", "QOSNotAllowed"),
)
_WORD = re.compile(r"[A-Z][A-Za-z]{1,60}")


def word(reason: str) -> str:
    """`ReqNodeNotAvail, UnavailableNodes:cpu-1` is ReqNodeNotAvail; a text of other form: other."""
    text = reason.strip().strip("()").replace("_", " ")
    for beginning, meaning in _SENTENCES:
        if text.startswith(beginning):
            return meaning
    head = re.split(r"[,:(]", text, maxsplit=1)[0].strip()
    return head if _WORD.fullmatch(head) else OTHER
