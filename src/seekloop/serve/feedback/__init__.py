"""What people say of answers and what became of them: how it comes in, one by one, in batches and from files."""
