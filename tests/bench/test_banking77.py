"""The promises of the Banking77 walk's own preparation."""

from bench.banking77 import CUSTOMERS_PER_INTENT, hold_back

MESSAGES = [(f"message {number} of {intent}", intent) for intent in ("card_lost", "top_up") for number in range(30)]


def test_what_production_asks_was_never_trained():
    train, production = hold_back([*MESSAGES, MESSAGES[0]])
    assert not set(train) & set(production)
    assert sorted(train + production) == sorted(MESSAGES)


def test_production_asks_of_every_intent_alike_and_always_the_same():
    _, production = hold_back(MESSAGES)
    assert [label for _, label in production].count("top_up") == CUSTOMERS_PER_INTENT
    assert hold_back(reversed(MESSAGES))[1] == production
