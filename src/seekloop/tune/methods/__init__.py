"""From the method of a spec to the method of the loop: one file a method."""
