"""AutoFT: which numbers of a tuning spec are best for a dataset, within a budget."""
