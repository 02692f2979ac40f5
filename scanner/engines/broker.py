"""RabbitMQ: its address, TLS, and the queues. Every side only dials out to it.

One durable quorum queue per site holds tasks; one queue per scan holds its answers until that scan has taken them. A
task is acknowledged when its last answer is with the broker: what a killed worker had taken is delivered again.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import celery
import kombu as _kombu

from scanner.errors import UsageError
from scanner.secrets import resolve

kombu: Any = _kombu  # half of it has types, and most of those are Any
TASK = "riskline.visit"
MAX_DELIVERIES = 5
"""A task that was taken so often without an end is dropped: what it does to workers, it would do to the next one."""


@dataclass(frozen=True, slots=True)
class Broker:
    """How the broker is reached. url: a reference to amqp://… or amqps://…, since a password is part of it.

    ca_file: who signs the broker's certificate; the system's list where it is not given. cert_file, key_file: ours.
    """

    url: str = "env:RISKLINE_BROKER"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def application(self) -> celery.Celery:
        """Celery, told to be exact: JSON only, acknowledged late, nothing remote-controlled. Raises UsageError."""
        address = resolve(self.url, "broker").reveal()
        parts = urlsplit(address)
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
            raise UsageError(f"--broker {self.url}: write amqps://USER:PASSWORD@HOST/VHOST there")
        made = celery.Celery("riskline", broker=address.replace("amqps://", "amqp://", 1), set_as_current=False)
        made.conf.update(
            accept_content=["json"],
            task_serializer="json",
            task_ignore_result=True,
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            task_create_missing_queues=False,
            worker_prefetch_multiplier=1,
            worker_enable_remote_control=False,
            worker_hijack_root_logger=False,
            worker_consumer=f"{__package__}.work:SiteConsumer",
            broker_connection_timeout=10,
            broker_connection_retry_on_startup=True,
            broker_transport_options={"confirm_publish": True},
        )
        if parts.scheme == "amqps":
            made.conf.broker_use_ssl = self._tls(parts.hostname)
        return made

    def _tls(self, host: str) -> dict[str, Any]:
        files = {"ca_certs": self.ca_file, "certfile": self.cert_file, "keyfile": self.key_file}
        named = {key: value for key, value in files.items() if value}
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host, **named}


def site_queue(site: str) -> Any:
    """The queue that the workers of a site take tasks from."""
    return _queue(f"riskline.site.{site}", {"x-delivery-limit": MAX_DELIVERIES})


def answer_queue(name: str, keep_s: float) -> Any:
    """The queue of one scan; it disappears when nobody has looked into it for so long."""
    return _queue(name, {"x-expires": int(keep_s * 1000)})


def _queue(name: str, arguments: dict[str, Any]) -> Any:
    return kombu.Queue(
        name,
        exchange=kombu.Exchange("", type="direct"),
        routing_key=name,
        durable=True,
        queue_arguments={"x-queue-type": "quorum", **arguments},
    )
