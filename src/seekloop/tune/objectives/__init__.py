"""From the objective of a spec and the rows to training views and the objective of the loop: one file a kind of row."""
