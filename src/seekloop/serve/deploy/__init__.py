"""What a release needs to run somewhere else: files for containers, clusters, services and other engines."""
