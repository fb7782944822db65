"""SIGTERM and Ctrl-C as a question that the loop asks, so that a run that is told to stop stops with its work saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

__all__ = ["asking", "stop_requests"]


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether SIGTERM or SIGINT came inside the block; it may be asked from any thread.

    A second SIGINT is not waited with: it interrupts at once, as without the block. Outside the main thread, where
    Python takes no signals, nothing is changed and the answer is always no.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and came.is_set():
            raise KeyboardInterrupt
        came.set()

    earlier = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came.is_set
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def asking(model: nn.Module, look: Callable[[], None]) -> Iterator[None]:
    """Call `look` before each of the model's layers, on the way there and back; it may raise to end the pass.

    A pass over one long row takes longer than some machines give notice.
    """

    def there(_layer: nn.Module, _inputs: Any) -> None:
        look()

    def back(_grad: Tensor) -> None:
        look()

    def behind(*hooked: Any) -> None:
        output = hooked[-1]
        states = output if isinstance(output, Tensor) else output[0]
        if states.requires_grad:
            states.register_hook(back)

    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    hooks = [
        hook
        for layer in layers
        for hook in (layer.register_forward_pre_hook(there), layer.register_forward_hook(behind))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
