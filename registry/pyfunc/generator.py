"""The generator as MLflow runs it: columns `n`, `seed` and, if wished, `class` to one PNG a row."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from leafgate.images import encode_png
from leafgate.settings import load_settings
from registry.generator_model import Generator, origin

COLUMNS = ["seed", "index", "class", "image", "latent"]


class GeneratorPyFunc(mlflow.pyfunc.PythonModel):
    """Loads the stored folder once; one row in asks for n pictures."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's context
        """Load the network on the engine that LEAFGATE_ENGINE names, or that suits this machine."""
        folder = Path(context.artifacts["model"])
        self.generator = Generator.load(folder, load_settings().engine)

    def predict(
        self,
        context: Any,  # noqa: ANN401
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Seed, index, class (None where unknown), PNG bytes and latent of each picture asked for.

        Without a class, or with None, a conditional generator draws its classes in turn. Raises
        UserError for a class that cannot be asked for.
        """
        asked = model_input.get("class", [None] * len(model_input))
        rows = zip(model_input["n"], model_input["seed"], asked, strict=True)
        answers = [
            answer
            for n, seed, name in rows
            for answer in self._row(int(n), int(seed), None if pd.isna(name) else str(name))
        ]
        return pd.DataFrame(answers, columns=COLUMNS)

    def _row(self, n: int, seed: int, class_name: str | None) -> list[dict[str, Any]]:
        drawn = self.generator.draw(range(n), seed, class_name)
        named = {"family": self.generator.description.family}
        found = zip(drawn.class_names, drawn.images, drawn.latents, strict=True)
        return [
            {
                "seed": seed,
                "index": index,
                "class": name,
                "image": encode_png(image, origin(named, seed, name, index)),
                "latent": latent.astype(float).tolist(),
            }
            for index, (name, image, latent) in enumerate(found)
        ]


mlflow.models.set_model(GeneratorPyFunc())
