"""From a person, row, answer or source forwards to everything that came of it; and the way back: erasing it."""
