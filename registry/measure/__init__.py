"""The gate's own measurements of a stored version; what a policy does not ask for is not done."""

from registry.measure.classifier import measure_classifier
from registry.measure.generator import measure_generator
from registry.measure.subject import Subject

__all__ = ["Subject", "measure_classifier", "measure_generator"]
