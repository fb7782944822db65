"""Knowledge graphs into questions and answers, by template and without a model."""
