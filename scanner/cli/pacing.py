"""How visits are spread: over time, over what they share, and over workers at other sites."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .options import Judging, handed_over

if TYPE_CHECKING:
    import threading

    from scanner.allowance import Allowance
    from scanner.model import Courtesy
    from scanner.pipeline import Engine

F = TypeVar("F", bound=Callable[..., Any])
_SHARED = {"network": "to one network", "gateway": "through one jump host", "account": "to one AWS account"}


@dataclass(frozen=True, slots=True)
class Pace:
    """What the options say. per_network …: instead of what `at_once` of the inventory says."""

    per_network: int | None = None
    per_gateway: int | None = None
    per_account: int | None = None
    jitter: float = 0.0
    engine: str = "local"
    broker: str = "env:RISKLINE_BROKER"
    broker_ca: str | None = None
    broker_cert: str | None = None
    broker_key: str | None = None
    site_wait: float = 120.0
    batch: int = 32

    def courtesy(self, of: Courtesy) -> Courtesy:
        """The inventory's limits with those of the command line over them."""
        own = {name: getattr(self, f"per_{name}") for name in _SHARED}
        return replace(of, **{name: value for name, value in own.items() if value is not None})

    def wait(self, stop: threading.Event) -> None:
        """Wait for up to `jitter` seconds, drawn anew each time; not once somebody wants to stop."""
        if self.jitter:
            stop.wait(random.uniform(0, self.jitter))  # noqa: S311 - spreads the starts of many machines

    def made(self, of: Courtesy, judging: Judging, allowance: Allowance | None = None) -> Engine:
        """The engine that the options name. Raises UsageError where it cannot be used."""
        if self.engine == "local":
            from scanner.collect import collect

            return functools.partial(collect, courtesy=self.courtesy(of), allowance=allowance)
        refuse_missing_celery()
        from scanner.allowance import Allowance
        from scanner.engines.broker import Broker
        from scanner.engines.dispatch import Dispatch
        from scanner.engines.messages import Words

        broker = Broker(self.broker, self.broker_ca, self.broker_cert, self.broker_key)
        broker.application()  # a mistake in its address is said before anything else is done
        words = Words(judging.baselines, judging.select)
        return Dispatch(broker, words, self.courtesy(of), self.site_wait, self.batch, allowance or Allowance())


def refuse_missing_celery() -> None:
    """Raise UsageError with the remedy where Celery is not installed."""
    from importlib import util

    from scanner.errors import UsageError

    if util.find_spec("celery") is None:
        raise UsageError("workers need Celery; run: pip install 'riskline[celery]'")


def courtesy_options(function: F) -> F:
    """--per-network, --per-gateway, --per-account."""
    for name, where in reversed(_SHARED.items()):
        said = f"At most so many visits at once {where}. [default: `at_once` of the inventory]"
        function = click.option(f"--per-{name}", type=click.IntRange(1, 64), metavar="N", help=said)(function)
    return function


def broker_options(function: F) -> F:
    """Where RabbitMQ is, and how its certificate is verified."""
    for option in (
        click.option("--broker-key", metavar="FILE", help="Our private key."),
        click.option("--broker-cert", metavar="FILE", help="Our certificate, where the broker asks for one."),
        click.option("--broker-ca", metavar="FILE", help="Who signs its certificate. [default: the system's list]"),
        click.option(
            "--broker",
            default="env:RISKLINE_BROKER",
            show_default=True,
            metavar="REFERENCE",
            help="Where RabbitMQ's address, amqps://USER:PASSWORD@HOST/VHOST, is kept: env:NAME, file:PATH …",
        ),
    ):
        function = option(function)
    return function


def pace_options(function: F) -> F:
    """All of them, handed over as one `pace`."""
    made: Any = handed_over(Pace, "pace")(function)
    for option in (
        click.option("--batch", type=click.IntRange(1, 1000), default=32, show_default=True, help="Assets in a task."),
        click.option(
            "--site-wait",
            type=click.FloatRange(1),
            default=120,
            show_default=True,
            help="Seconds after which the assets of a site without a worker are reported as such.",
        ),
        broker_options,
        click.option(
            "--engine",
            type=click.Choice(["local", "celery"]),
            default="local",
            show_default=True,
            help="celery: an asset with a `site` is visited by `riskline worker --site NAME`, the others from here.",
        ),
        click.option(
            "--jitter", type=click.FloatRange(0), default=0, metavar="SECONDS", help="Begin up to so much later (cron)."
        ),
        courtesy_options,
    ):
        made = option(made)
    return made  # type: ignore[no-any-return]
