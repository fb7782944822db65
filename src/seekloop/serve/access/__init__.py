"""Who may ask what, and how much: keys, tokens of an identity provider, roles by route, budgets."""
