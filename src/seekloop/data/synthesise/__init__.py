"""Rows from a teacher: a larger model behind an OpenAI-compatible API, asked for schema-checked answers."""
