"""Search for the shape of a model on this machine: accuracy, latency and size at once."""
