"""Schema revisions of the ledger, run by Alembic from Python."""
