"""The Celery application of contender (c); it runs in an environment of its own.

`python -m benchmarks.celery_tasks LIST` puts a task for each contact of a list into the queue.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import urllib3
from celery import Celery
from celery.signals import worker_ready

from benchmarks.load import RAMAL, e164s

URL = os.environ["BENCH_URL"]
POLL = float(os.environ["BENCH_POLL"])
RATE = os.environ.get("BENCH_RATE")
HEADERS = {"Access-Token": os.environ["BENCH_TOKEN"]}
TOO_MANY = 429

app = Celery("benchmark", broker=os.environ["BENCH_REDIS"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)
http = urllib3.PoolManager(maxsize=200, block=False, retries=False, timeout=30, headers=HEADERS)


@app.task(name="call", bind=True, max_retries=5, rate_limit=RATE)  # type: ignore[untyped-decorator]  # Celery's
def call(self: Any, number: str) -> None:
    """Create a call and ask about it until it is over. Twice is two calls."""
    body = {"numero_origem": number, "numero_destino": RAMAL, "tags": "benchmark"}
    answer = http.request("POST", f"{URL}/chamada", json=body)
    if answer.status == TOO_MANY:
        raise self.retry(countdown=1)
    created = answer.json()["dados"]["id"]
    while True:
        time.sleep(POLL)  # a greenlet's sleep: the pool is gevent
        try:
            answer = http.request("GET", f"{URL}/chamada/{created}")
        except urllib3.exceptions.HTTPError:
            continue
        if answer.json()["dados"]["status_geral"] == "finalizada":
            return


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery's
def say_ready(**_: Any) -> None:
    """Say so; the log is too quiet to, because a line per task would cost."""
    print("worker is ready", flush=True)


if __name__ == "__main__":
    with app.producer_or_acquire() as producer:
        for contact in e164s(Path(sys.argv[1])):
            call.apply_async((contact,), producer=producer)
    print("queued", flush=True)
