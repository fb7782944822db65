"""Augmentation: seeded operators that say the same in other words, a gate, and a check that the label still holds."""
