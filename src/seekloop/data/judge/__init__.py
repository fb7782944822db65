"""The noise classifier: features, a logistic head trained across folds, its calibration, and the file that keeps it."""
