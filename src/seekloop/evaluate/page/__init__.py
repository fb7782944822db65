"""A report as one page that needs nothing else, and as Markdown: everything in its folder that can be shown."""
