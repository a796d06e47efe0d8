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
from registry.kept_copies import folder_digest
from registry.stored_model import MODEL_FOLDER, write_training

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

    def log(
        self,
        mlflow: Any,  # noqa: ANN401 - the module
        folder: Path,
        run_id: str,
        data_digest: str | None = None,
    ) -> "Logged":
        """Store the model in `folder` with that run. data_digest: of the split that it learnt from.

        As `mlflow.pyfunc.log_model` does it, but for two things: the digest is of the files as this
        process wrote them, before MLflow has them; and the stored code is not run here.
        """
        client = mlflow.MlflowClient()
        logged = mlflow.initialize_logged_model(self.script.stem, run_id, model_type="pyfunc")
        client.log_outputs(run_id, [mlflow.entities.LoggedModelOutput(logged.model_id, step=0)])
        with tempfile.TemporaryDirectory() as parent:
            stored = Path(parent) / "stored"
            self._save(mlflow, folder, stored, logged, run_id)
            if data_digest is not None:
                write_training(stored, data_digest)
            digest = folder_digest(stored)
            client.log_model_artifacts(logged.model_id, str(stored))
        client.finalize_logged_model(logged.model_id, "READY")
        return Logged(logged.model_uri, digest)

    def _save(
        self,
        mlflow: Any,  # noqa: ANN401
        folder: Path,
        stored: Path,
        logged: Any,  # noqa: ANN401 - MLflow's LoggedModel
        run_id: str,
    ) -> None:
        inputs, outputs = self.schema()
        described = mlflow.models.Model(
            run_id=run_id,
            artifact_path=logged.artifact_location,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        with tempfile.TemporaryDirectory() as code:
            named = folder
            if folder.name != MODEL_FOLDER:  # MLflow keeps the name
                named = Path(shutil.copytree(folder, Path(code) / MODEL_FOLDER))
            mlflow.pyfunc.save_model(
                path=str(stored),
                mlflow_model=described,
                python_model=str(shutil.copyfile(self.script, Path(code, self.script.name))),
                artifacts={"model": str(named)},
                code_paths=_copied_code(Path(code)),
                signature=mlflow.models.ModelSignature(inputs=inputs, outputs=outputs),
                input_example=self.example(),
                pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS]
                + ["rich", "pydantic-settings", "pyyaml"],
            )
        for left in list(stored.rglob("__pycache__")):
            shutil.rmtree(left)


@dataclass(frozen=True)
class Logged:
    """A model that MLflow has. uri: MLflow's; digest: of all its files, as they were written."""

    uri: str
    digest: str


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
