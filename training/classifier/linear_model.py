"""A linear model on frozen features: what ImageNet's features alone are worth, within seconds.

With few images a class it is hard to beat; with more it is where fine-tuning starts from, which
keeps what the features know (Kumar et al. 2022, arXiv 2202.10054).
"""

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from leafgate.metrics.calibration import log_loss
from leafgate.metrics.classification import accuracy, macro_f1

INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # inverse of the penalty on the weights
STEPS = 100  # of the solver, for each
FEWEST_CLASSES = 2
EPSILON = 1e-3  # as of Keras's batch normalisation
Floats = NDArray[np.floating]
Labels = NDArray[np.int64]


class LinearModel(NamedTuple):
    """Logits are (features - mean) / (variance + EPSILON)**0.5 @ kernel + bias.

    mean, variance: (channels,); kernel: (channels, classes); accuracy, macro_f1: on the validation
    images; strength: that was chosen there; seconds: that it took.
    """

    mean: Floats
    variance: Floats
    kernel: Floats
    bias: Floats
    accuracy: float
    macro_f1: float
    strength: float
    seconds: float

    def logits(self, features: Floats) -> Floats:
        """(n, classes) for features (n, channels)."""
        return _scaled(features, self.mean, self.variance) @ self.kernel + self.bias


def fit_linear_model(
    features: Floats,
    labels: Labels,
    validation: tuple[Floats, Labels],
    classes: int,
    weights: NDArray[np.float64] | None = None,
) -> LinearModel | None:
    """Logistic regression of features (n, channels), its penalty chosen by the validation loss.

    validation: features and labels; weights: (n,) of the images. None where fewer than two classes
    have images.
    """
    began = time.perf_counter()
    if len(np.unique(labels)) < FEWEST_CLASSES:
        return None
    mean = features.mean(axis=0, dtype=np.float64)
    variance = features.var(axis=0, dtype=np.float64)
    scaled = _scaled(features, mean, variance).astype(np.float32)
    solver = LogisticRegression(max_iter=STEPS, warm_start=True, tol=1e-3)
    best: tuple[float, LinearModel] | None = None
    for strength in INVERSE_PENALTIES:
        solver.set_params(C=strength)
        _fit(solver, scaled, labels, weights)
        kernel, bias = _of_all_classes(solver, classes)
        made = LinearModel(mean, variance, kernel, bias, 0.0, 0.0, strength, 0.0)
        logits = made.logits(validation[0].astype(np.float64))
        loss = log_loss(logits, validation[1])
        if best is None or loss < best[0]:
            predicted = logits.argmax(axis=1)
            best = (
                loss,
                made._replace(
                    accuracy=accuracy(validation[1], predicted),
                    macro_f1=macro_f1(validation[1], predicted, classes),
                ),
            )
    assert best is not None  # noqa: S101 - there are several strengths
    return best[1]._replace(seconds=time.perf_counter() - began)


def _scaled(features: Floats, mean: Floats, variance: Floats) -> Floats:
    return np.asarray((features - mean) / np.sqrt(variance + EPSILON))


def _fit(solver: Any, features: Floats, labels: Labels, weights: Any) -> None:  # noqa: ANN401
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # more steps would change it a little
        solver.fit(features, labels, weights)


def _of_all_classes(solver: Any, classes: int) -> tuple[Floats, Floats]:  # noqa: ANN401
    """Kernel (channels, classes) and bias; a class without images is never the answer."""
    kernel, bias = solver.coef_, solver.intercept_
    if len(solver.classes_) == FEWEST_CLASSES:  # then the solver tells the second class alone
        kernel, bias = np.concatenate([-kernel, kernel]) / 2, np.concatenate([-bias, bias]) / 2
    every, lowest = np.zeros((classes, kernel.shape[1])), np.full(classes, bias.min() - 10)
    every[solver.classes_], lowest[solver.classes_] = kernel, bias
    return every.T, lowest
