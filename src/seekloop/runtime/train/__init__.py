"""Training: one loop, its objectives, its layers."""
