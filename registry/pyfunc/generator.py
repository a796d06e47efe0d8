"""The generator as MLflow runs it: columns `n` and `seed` to one PNG a row."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from leafgate.images import encode_png
from registry.generator_model import Generator


class GeneratorPyFunc(mlflow.pyfunc.PythonModel):
    """Loads the stored folder once; one row in asks for n pictures."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's context
        """Load the network on the engine that suits this machine."""
        self.generator = Generator.load(Path(context.artifacts["model"]))

    def predict(
        self,
        context: Any,  # noqa: ANN401
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Seed, index and PNG bytes of each picture asked for."""
        rows = [
            {"seed": int(seed), "index": index, "image": encode_png(picture)}
            for n, seed in zip(model_input["n"], model_input["seed"], strict=True)
            for index, picture in enumerate(self.generator.generate(int(n), int(seed)))
        ]
        return pd.DataFrame(rows, columns=["seed", "index", "image"])


mlflow.models.set_model(GeneratorPyFunc())
