"""Steps of one MLflow-tracked job: fit a classifier, judge it, store it."""
