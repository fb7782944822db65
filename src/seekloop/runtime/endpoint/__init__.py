"""A larger model behind an OpenAI-compatible endpoint: asked with patience, within a budget, each answer kept."""
