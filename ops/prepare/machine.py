"""What kind of machine this is, as far as the preparation cares."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """The facts on which the steps decide. `distribution` and `release` are ID and VERSION_ID of
    os-release."""

    system: str = "Linux"
    root: bool = False
    systemd: bool = True
    distribution: str = ""
    release: str = ""

    @property
    def installs_packages(self) -> bool:
        """Whether we may install from the distribution ourselves."""
        return self.system == "Linux" and self.root and self.distribution in ("debian", "ubuntu")


def this_machine(os_release: Path = Path("/etc/os-release")) -> Machine:
    """Looks at the machine this runs on."""
    facts = parse_os_release(os_release.read_text()) if os_release.exists() else {}
    return Machine(
        system=platform.system(),
        root=os.geteuid() == 0,
        systemd=Path("/run/systemd/system").is_dir(),  # what sd_booted(3) tests
        distribution=facts.get("ID", ""),
        release=facts.get("VERSION_ID", ""),
    )


def parse_os_release(text: str) -> dict[str, str]:
    """The assignments in an os-release file."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}
