"""Models behind OpenAI-compatible endpoints: asked with patience and within a budget, each answer kept, or measured."""
