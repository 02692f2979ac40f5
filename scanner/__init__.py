"""Riskline: what a check author may import, and nothing else."""

from . import parse
from .checking import check
from .errors import Absent, NotApplicable, Undetermined, Unparsable
from .model import Check, Fact, Given, Observed, Probe
from .probes import api, file, files, nse, ports, powershell, registry, sh, stat, visit

__all__ = [
    "Absent",
    "Check",
    "Fact",
    "Given",
    "NotApplicable",
    "Observed",
    "Probe",
    "Undetermined",
    "Unparsable",
    "api",
    "check",
    "file",
    "files",
    "nse",
    "parse",
    "ports",
    "powershell",
    "registry",
    "sh",
    "stat",
    "visit",
]
