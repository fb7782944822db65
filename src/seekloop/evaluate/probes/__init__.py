"""What is asked beside the rows: a small general-skill probe, a frozen red-team set, passages to read."""
