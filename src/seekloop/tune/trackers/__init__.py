"""Where a run is reported to while it trains: one file a tracker, all behind one protocol."""
