"""Who is worked on next, who may wait, and who is told to come back: tiers, bounds, deadlines and shedding."""
