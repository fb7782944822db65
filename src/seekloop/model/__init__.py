"""What a model is, without torch: family cards, chat codec, sources, memory and time arithmetic."""
