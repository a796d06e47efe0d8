"""The stored models as MLflow PyFuncs: signature, input example and requirements of each kind.

The code travels with the model (models-from-code and `code_paths`), so `mlflow models serve` runs
it where LeafGate is not installed, and no pickle is involved.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from leafgate.images import encode_png

StoredKind = Literal["classifier", "generator"]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CODE_PACKAGES = ("leafgate", "registry")
REQUIREMENTS = (
    "mlflow",
    "numpy",
    "pandas",
    "pillow",
    "openvino",
    "keras",
    "scipy",
    "tensorflow",
    "threadpoolctl",
)


@dataclass(frozen=True)
class PyFuncKind:
    """How one kind of model is logged."""

    script: Path
    schema: Callable[[], tuple[Any, Any]]
    example: Callable[[], Any]

    def log(self, mlflow: Any, folder: Path) -> Any:  # noqa: ANN401 - mlflow and its ModelInfo
        """Log the stored model in `folder` to the active run."""
        from mlflow.models import ModelSignature

        inputs, outputs = self.schema()
        with tempfile.TemporaryDirectory() as code:
            return mlflow.pyfunc.log_model(
                name=self.script.stem,
                python_model=str(shutil.copyfile(self.script, Path(code, self.script.name))),
                artifacts={"model": str(folder)},
                code_paths=_copied_code(Path(code)),
                signature=ModelSignature(inputs=inputs, outputs=outputs),
                input_example=self.example(),
                pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS]
                + ["rich", "pydantic-settings", "pyyaml"],
            )


def _copied_code(into: Path) -> list[str]:
    """The packages' files, without the rights that they have where LeafGate is installed."""
    for package in CODE_PACKAGES:
        for file in (ROOT / package).rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                copy = into / file.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
    return [str(into / package) for package in CODE_PACKAGES]


def _classifier_schema() -> tuple[Any, Any]:
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array, Object, Property

    ranked = Object([Property("class", DataType.string), Property("confidence", DataType.double)])
    return (
        Schema([ColSpec(DataType.binary, "image")]),
        Schema(
            [
                ColSpec(DataType.string, "class"),
                ColSpec(DataType.double, "confidence"),
                ColSpec(Array(ranked), "top"),
                ColSpec(DataType.boolean, "unknown"),
                ColSpec(DataType.double, "unknown_score"),
            ]
        ),
    )


def _generator_schema() -> tuple[Any, Any]:
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    return (
        Schema(
            [
                ColSpec(DataType.long, "n"),
                ColSpec(DataType.long, "seed"),
                ColSpec(DataType.string, "class", required=False),
            ]
        ),
        Schema(
            [
                ColSpec(DataType.long, "seed"),
                ColSpec(DataType.long, "index"),
                ColSpec(DataType.string, "class", required=False),
                ColSpec(DataType.binary, "image"),
                ColSpec(Array(DataType.double), "latent"),
            ]
        ),
    )


def _classifier_example() -> Any:  # noqa: ANN401 - a pandas DataFrame
    import pandas as pd

    return pd.DataFrame({"image": [encode_png(np.full((16, 16, 3), 128, np.uint8))]})


def _generator_example() -> Any:  # noqa: ANN401 - a pandas DataFrame
    import pandas as pd

    return pd.DataFrame({"n": [2], "seed": [1]})


PYFUNCS: dict[StoredKind, PyFuncKind] = {
    "classifier": PyFuncKind(HERE / "classifier.py", _classifier_schema, _classifier_example),
    "generator": PyFuncKind(HERE / "generator.py", _generator_schema, _generator_example),
}
