"""docs/register.md: every command that it shows can be typed in."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from scanner.cli import riskline

GUIDE = Path(__file__).parent.parent / "docs" / "register.md"
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for line in block.splitlines()
]


def parsed(line: str) -> click.Context:
    """The innermost verb with its arguments read, and nothing run."""
    words = shlex.split(line)
    assert words.pop(0) == "riskline"
    context = riskline.make_context("riskline", words)
    while isinstance(context.command, click.Group):
        name, verb, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert verb is not None
        context = verb.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_guide_is_understood(line: str) -> None:
    assert parsed(line).command.help


def test_the_guide_shows_every_verb_of_the_register_and_of_its_upkeep() -> None:
    for group in ("register", "db"):
        verbs = riskline.get_command(click.Context(riskline), group)
        assert isinstance(verbs, click.Group)
        for name in verbs.commands:
            assert any(line.startswith(f"riskline {group} {name}") for line in COMMANDS), name


def test_an_option_that_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parsed("riskline register list --no-such-option")
