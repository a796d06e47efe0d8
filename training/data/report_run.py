"""The data report and the leak test, kept with an MLflow run."""

import tempfile
from pathlib import Path

from leafgate.manifest import Manifest
from leafgate.progress import tell
from registry import Run
from training.data.border import CANNOT_TELL
from training.data.folder import read_folder
from training.data.leaks import find_leaks
from training.data.report import data_report
from training.data.report_page import write_report


def log_data_report(run: Run, manifest: Manifest, groups_file: Path | None = None) -> None:
    """Look at the images behind a split, and prove that it does not leak.

    Logs data/report.html, data/report.json and data/leaks.json, and tags the run with the number of
    leaks and with the result of the border test. A split that leaks is reported, not refused.
    """
    scan = read_folder(manifest.root)
    with tempfile.TemporaryDirectory() as folder:
        look = data_report(scan, manifest)
        write_report(look, scan, Path(folder))
        run.log_folder(Path(folder), "data")
    leaks = find_leaks(scan, manifest, groups_file)
    run.log_json(leaks.as_dict(), "data/leaks.json")
    border = look.border.tells if look.border else CANNOT_TELL
    run.set_tags({"data.leaks": str(len(leaks.leaks)), "data.border": border})
    for line in leaks.lines():
        tell(line)
