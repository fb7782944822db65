"""Pure numbers with intervals: classification, overlap, latency, significance. Never touches a model."""
