"""Documents: PDF, DOCX, HTML, Markdown and plain text into blocks, and blocks into chunks."""
