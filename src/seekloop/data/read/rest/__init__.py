"""HTTP endpoints: requests that survive faults, pages, tokens, and a pull that goes on where it was."""
