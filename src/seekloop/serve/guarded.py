"""An order on its way past the guard: asked about, and told what its answer may carry."""

from __future__ import annotations

import dataclasses

from seekloop.serve.guard.guard import Guard
from seekloop.serve.guard.sketch import fold
from seekloop.serve.reply import Order
from seekloop.serve.worker import Worker

__all__ = ["guarded"]


def guarded(order: Order, *, guard: Guard, worker: Worker, role: str = "") -> Order:
    """The order with its blur, mark and watermark, if the guard lets it pass.

    Raises:
        UsageError: the key is shut out, is slowed down, or has asked its share of different prompts.
    """
    asked = str(order.messages[-1]["content"])
    guard.admit(order.caller, asked)
    planted = "" if order.raw else guard.planted(order.caller, fold(asked), release=worker.identity)
    mark, blur = guard.mark(worker.engine), guard.blur(role, order.prompt)
    if mark is None and blur is None and not planted:
        return order
    prompt = order.prompt if mark is None else dataclasses.replace(order.prompt, mark=mark)
    return dataclasses.replace(order, prompt=prompt, blur=blur, planted=planted)
