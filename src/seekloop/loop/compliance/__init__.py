"""What is shown to others: evidence for an auditor, cards of models and data, a bill of materials."""
