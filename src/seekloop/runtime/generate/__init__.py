"""Generation: one small protocol, and a backend a file behind it."""
