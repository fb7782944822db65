"""Every form of a checkpoint in one table: sizes, times, accuracy, distance from the parent, and which one to take."""
