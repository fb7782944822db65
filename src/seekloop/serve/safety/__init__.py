"""Safety: what is asked and what is said, looked at by rules, by a classifier and for personal data."""
