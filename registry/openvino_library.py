"""OpenVINO, without the statistics that it sends to its makers as it is imported.

It would fork the process to send them, threads, sockets and signal handlers included, and end that
copy by SIGTERM: in a service that is no place for it.
"""

import sys
from typing import Any

REPORTER = "openvino_telemetry"


def load_openvino() -> Any:  # noqa: ANN401 - the module
    """The package `openvino`, imported on first use; NNCF and Keras then find it silent, too."""
    sys.modules.setdefault(REPORTER, None)  # type: ignore[arg-type] # an import of it fails
    import openvino

    return openvino
