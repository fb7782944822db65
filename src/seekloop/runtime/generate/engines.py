"""The names of the engines, light enough for specs."""

from typing import Literal

__all__ = ["EngineChoice", "EngineName"]

EngineName = Literal["torch", "llamacpp", "openvino", "onnx", "echo"]
EngineChoice = Literal["auto", EngineName]
"""`auto`: the engine that the checkpoint's form is usually opened by."""
