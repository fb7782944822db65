"""Web pages of ours, each one self-contained file, and the small servers that hand them out."""
