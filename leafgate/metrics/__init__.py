"""Pure functions on arrays: no files, no MLflow, no plots."""
