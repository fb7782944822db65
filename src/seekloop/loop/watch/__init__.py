"""The loop by itself: triggers, cycles under a lease, and what comes of them."""
