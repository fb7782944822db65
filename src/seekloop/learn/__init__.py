"""Stage 6: Traffic + Report -> Lesson: a verdict and a new Corpus."""
