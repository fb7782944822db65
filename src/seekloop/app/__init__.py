"""The doors: command line and demo. No logic lives here."""
