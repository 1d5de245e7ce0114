"""How training meets the machine: signals, time limits, numbers that repeat."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor


def leave_signals_to_the_parent(worker: int) -> None:
    """Signals often go to all processes of a group; a loading process ends when training does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def precision_here(precision: str, accelerator: str) -> str:
    """The precision as Fabric calls it; float32 where bfloat16 would be slow: on CPUs that cannot multiply in it, a
    training step then takes some fifty times as long."""
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.accelerator.is_available())
    slow = "bf16" in precision and on_cpu and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "32-true" if slow else precision


@contextmanager
def stop_requests(fabric: Fabric, minutes: float | None) -> Iterator[Callable[[], bool]]:
    """Asks whether to stop: after SIGINT or SIGTERM, or when time is up, in any of the processes."""
    asked = False

    def ask(*_: Any) -> None:
        nonlocal asked
        asked = True

    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)} if in_main else {}
    end = float("inf") if minutes is None else time.monotonic() + 60 * minutes

    def must_stop() -> bool:
        stop = torch.tensor(float(asked or time.monotonic() > end), device=fabric.device)
        return cast(Tensor, fabric.all_reduce(stop, reduce_op="sum")).item() > 0

    try:
        yield must_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def repeatable(fabric: Fabric) -> Iterator[None]:
    """On a CPU, the same numbers from the same steps: PyTorch's scattered sums otherwise depend on timing."""
    deterministic, filled = torch.are_deterministic_algorithms_enabled(), cast(Any, torch.utils.deterministic)
    before = filled.fill_uninitialized_memory
    torch.use_deterministic_algorithms(deterministic or fabric.device.type == "cpu")
    filled.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        filled.fill_uninitialized_memory = before
