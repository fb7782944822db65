"""Models that run elsewhere, behind OpenAI's protocol: messages go up, text comes down."""
