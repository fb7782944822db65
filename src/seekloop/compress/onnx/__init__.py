"""The onnx form: one graph for Triton, TensorRT and whatever else reads ONNX."""
