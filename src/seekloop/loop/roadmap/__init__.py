"""From a first look at the data to a model in production: three reports with exit criteria, filled from the ledger."""
