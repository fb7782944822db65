"""Why a model answered so: the training rows that made the answer, and the words of the prompt that did."""
