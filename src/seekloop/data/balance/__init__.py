"""Balance: how many train rows each label has and needs, and where the missing ones come from."""
