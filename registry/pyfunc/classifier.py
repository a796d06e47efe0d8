"""The classifier as MLflow runs it: `image` (bytes; Base64 in JSON) to class, top 5, unknown."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from leafgate.images import decode
from leafgate.settings import load_settings
from registry.classifier_model import Classifier
from registry.engine import one_blas_thread


class ClassifierPyFunc(mlflow.pyfunc.PythonModel):
    """Loads the stored folder once; one row in, one row out."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's context
        """Load the network on the engine that LEAFGATE_ENGINE names, or that suits this machine."""
        one_blas_thread()
        folder = Path(context.artifacts["model"])
        self.classifier = Classifier.load(folder, load_settings().engine)

    def predict(
        self,
        context: Any,  # noqa: ANN401
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row an image. Raises ImageError for bytes that are none."""
        size = self.classifier.description.image_size
        images = [decode(data, wanted_size=size) for data in model_input["image"]]
        answers = self.classifier.predict(images)
        return pd.DataFrame(
            {
                "class": [answer.class_name for answer in answers],
                "confidence": [answer.confidence for answer in answers],
                "top": [
                    [{"class": name, "confidence": value} for name, value in answer.top]
                    for answer in answers
                ],
                "unknown": [answer.unknown for answer in answers],
                "unknown_score": [answer.unknown_score for answer in answers],
            }
        )


mlflow.models.set_model(ClassifierPyFunc())
