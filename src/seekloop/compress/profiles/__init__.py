"""Profiles of devices: which form suits them, what they refuse, and whether this machine is one."""
