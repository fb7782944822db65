"""Forms that vLLM and transformers load on GPUs: 4-bit weights, int8 weights and activations, half precision."""
