"""Riskline: what a check author may import, and nothing else."""

from . import parse
from .checking import check
from .errors import Absent, NotApplicable, Truncated, Undetermined, Unparsable
from .model import Check, Fact, Given, Idle, Observed, Probe, Unclear, Unwritten
from .probes import (
    api,
    expected_ports,
    expected_states,
    file,
    files,
    looked_at,
    nse,
    ports,
    powershell,
    registry,
    services,
    sh,
    stat,
    visit,
)

__all__ = [
    "Absent",
    "Check",
    "Fact",
    "Given",
    "Idle",
    "NotApplicable",
    "Observed",
    "Probe",
    "Truncated",
    "Unclear",
    "Undetermined",
    "Unparsable",
    "Unwritten",
    "api",
    "check",
    "expected_ports",
    "expected_states",
    "file",
    "files",
    "looked_at",
    "nse",
    "parse",
    "ports",
    "powershell",
    "registry",
    "services",
    "sh",
    "stat",
    "visit",
]
