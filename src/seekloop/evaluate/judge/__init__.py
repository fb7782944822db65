"""A judge model looks at answers: asked with their places exchanged, read strictly, never taken at its word."""
