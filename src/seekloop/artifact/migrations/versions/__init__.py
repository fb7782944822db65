"""One module a revision; a revision is never edited once it is released."""
