"""Smaller models: a checkpoint cut to a smaller shape, tuned until it answers as before, or taught by a larger one."""
