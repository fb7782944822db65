"""What training minimises: one file an objective, all in the same loop."""
