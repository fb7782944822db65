"""Serving: a release is a checkpoint that was measured; the gateway answers with it, and says so in every answer."""
