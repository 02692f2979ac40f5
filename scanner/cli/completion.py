"""`riskline completion`: the script that teaches a shell our verbs, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    bash: riskline completion bash > /etc/bash_completion.d/riskline
    zsh:  riskline completion zsh > "${fpath[1]}/_riskline"
    fish: riskline completion fish > ~/.config/fish/completions/riskline.fish
    """
    from . import riskline

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(riskline, {}, "riskline", "_RISKLINE_COMPLETE").source())
