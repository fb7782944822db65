"""An answer's passport: a signed file that leads to everything that made the answer, and proves itself offline."""
