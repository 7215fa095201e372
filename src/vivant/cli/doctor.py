"""`vivant doctor`: tell what works on this machine."""

import json as jsons
from dataclasses import asdict, dataclass

from vivant.cli import terminal
from vivant.cli.options import parse


@dataclass(frozen=True)
class DoctorOptions:
    """Tell what works on this machine: libraries, engines, licences, caches. Exit code 1: `create` cannot."""

    json: bool = False
    """Print everything as one JSON object."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(DoctorOptions, "doctor", arguments)
    from vivant import doctor

    findings = doctor.examine()
    if options.json:
        told = {"findings": [asdict(finding) for finding in findings], "works": doctor.works(findings)}
        terminal.say(jsons.dumps(told))
    else:
        terminal.show_findings([(f.subject, f.state, f.told) for f in findings])
        terminal.show_table("Engines", ("engine", "job", "licence"), doctor.licences())
        terminal.say("")
        terminal.say(
            "The main job works here."
            if doctor.works(findings)
            else "The main job does not work here; see above."
        )
    return 0 if doctor.works(findings) else 1
