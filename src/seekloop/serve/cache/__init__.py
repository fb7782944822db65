"""Answers that were given before: kept by everything that they depend on, per tenant and release."""
