"""Labels: taxonomies, annotation exchange with other tools, consensus of raters, and the queue of what they dispute."""
