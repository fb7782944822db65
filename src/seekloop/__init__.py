"""seekloop: data -> tune -> evaluate -> compress -> serve -> learn -> data.

Rooms, from the door down; imports only go down:
app > loop > data, tune, evaluate, compress, serve, learn > runtime > model > metrics, artifact > text > system
"""

__version__ = "0.1.0"
