"""Where visits happen when one machine cannot reach, or carry, them all: workers at other sites, which only dial out.

An engine is called like `scanner.collect.collect` and gives the same: evidence, asset by asset, in any order.

    messages.py   what goes over the wire: a task (asset ids and digests, never a secret), an answer (evidence)
    broker.py     RabbitMQ: the address, TLS, and the queues; the only place that knows Celery and kombu with …
    dispatch.py   … the side that asks: batches out, answers in, each asset counted once, no site silently pending
    work.py       … and the side that visits: `riskline worker --site NAME`
"""
