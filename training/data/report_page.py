"""The data report as files: one HTML page that needs nothing else, and JSON for machines."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from leafgate.files import whole
from leafgate.images import decode
from leafgate.strict_json import dump_json
from training.data.border import CANNOT_TELL, Background, BorderTest
from training.data.conflicts import Conflict, counted
from training.data.folder import FolderScan
from training.data.report import Copies, DataReport, GivenSides, for_each_image

SAMPLES = 8
THUMBNAIL = 96
CONFLICTS_SHOWN = 200
GROUPS_SHOWN, COPIES_SHOWN, ROWS_SHOWN = 40, 6, 50

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } h3 { margin: 1rem 0 .2rem; font-size: 1rem }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
figure { display: inline-block; margin: .2rem; width: 96px; vertical-align: top }
figcaption { font-size: 11px; line-height: 1.2; overflow-wrap: anywhere }
.swatch { display: inline-block; width: 3rem; height: 1rem; border: 1px solid #999 }
.nothing, .little { color: #00694d } .part, .much { color: #a33a00 }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

Pictures = Mapping[str, str]  # image path to a data address
Row = Sequence[object]


def write_report(report: DataReport, scan: FolderScan, folder: Path) -> Path:
    """Write `report.json` and `report.html` into `folder`; returns the latter.

    Raises ImageError or UserError for an image that is shown and changed since the scan.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = _page(report, scan)
    _write(folder / "report.json", dump_json(report.as_dict(), indent=2))
    return _write(folder / "report.html", page)


def _write(file: Path, text: str) -> Path:
    """A name that is not Unicode is written with backslashes."""
    with whole(file) as beside:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
    return file


def _page(report: DataReport, scan: FolderScan) -> str:
    samples = _samples(scan)
    pictures = _pictures(scan.root, _shown(report, samples))
    body = "\n".join(
        (
            f"<h1>Data report: {escape(report.root)}</h1>",
            _list([*report.warnings, *report.lines(), *report.notes]),
            _given_sides(report.sides),
            _classes(report),
            _border(report.border, report.border_untested),
            _sample_grid(samples, pictures),
            _conflicts(report.conflicts, pictures),
            _copies("Identical files", report.exact_duplicates, pictures),
            _copies("Near copies", report.near_duplicates, pictures),
            _outliers(report, pictures),
            _skipped(report),
            _sizes(report),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data report</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    )


def _samples(scan: FolderScan) -> dict[str, list[str]]:
    """Up to SAMPLES paths of each class, evenly spaced."""
    paths: dict[str, list[str]] = {name: [] for name in scan.counts}
    for image in scan.images:
        paths[image.class_name].append(image.path)
    return {
        name: [found[place * len(found) // SAMPLES] for place in range(SAMPLES)]
        if len(found) > SAMPLES
        else found
        for name, found in paths.items()
    }


def _shown(report: DataReport, samples: Mapping[str, Sequence[str]]) -> list[str]:
    """Every path that the page has a picture of, once."""
    copies = (
        path
        for groups in (report.exact_duplicates, report.near_duplicates)
        for group in groups[:GROUPS_SHOWN]
        for path in group.paths[:COPIES_SHOWN]
    )
    sampled = (path for paths in samples.values() for path in paths)
    labelled = (path for conflict in report.conflicts[:CONFLICTS_SHOWN] for path in conflict.paths)
    return sorted({*sampled, *labelled, *copies, *(outlier.path for outlier in report.outliers)})


def _pictures(root: Path, paths: Sequence[str]) -> Pictures:
    found = for_each_image(root, paths, _data_address, "drawing thumbnails")
    return dict(zip(paths, found, strict=True))


def _data_address(data: bytes) -> str:
    """The image at THUMBNAIL pixels at most, as `data:image/jpeg;base64,...`."""
    picture = Image.fromarray(decode(data))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _classes(report: DataReport) -> str:
    largest, total = max(report.counts.values()), sum(report.counts.values())
    rows = []
    for ground in report.backgrounds:
        images = report.counts[ground.class_name]
        recall = report.border.recalls.get(ground.class_name) if report.border else None
        rows.append(
            f"<tr><td>{escape(ground.class_name)}</td>{_number(f'{images:,}')}"
            f'<td><meter max="{largest}" value="{images}"></meter></td>'
            f"{_number(f'{images / total:.1%}')}<td>{_swatch(ground)}</td>"
            f"{_number('' if recall is None else f'{recall:.0%}')}</tr>"
        )
    heads = ("class", "images", "", "share", "border: mean R, G, B (spread)", "told by its border")
    return f"<h2>Classes</h2><table>{_heads(heads)}{''.join(rows)}</table>"


def _swatch(ground: Background) -> str:
    mean = ", ".join(f"{value:.0f}" for value in ground.colour)
    spread = ", ".join(f"{value:.0f}" for value in ground.spread)
    colour = f'<span class="swatch" style="background: rgb({mean})"></span>'
    return f"{colour} {mean} ({spread})"


def _border(test: BorderTest | None, untested: str) -> str:
    title = "<h2>Does the border give the class away?</h2>"
    if test is None:
        return f"{title}<p>{escape(untested)}</p>"
    rows = [
        ("tested on", test.method),
        ("images tested", f"{test.images_tested:,}"),
        ("accuracy", f"{test.accuracy:.1%}"),
        ("always the largest class", f"{test.majority_share:.1%}"),
        ("mean over classes", f"{test.mean_recall:.1%}"),
        ("a guess", f"{test.chance:.1%}"),
        ("explained by luck, up to", f"{min(test.beyond_luck, 1):.1%}"),
        ("leaves of a class that were learnt from", f"{test.learnt_leaves:g}"),
        ("macro F1", f"{test.macro_f1:.3f}"),
    ]
    shade = "" if test.tells == CANNOT_TELL else test.tells.split()[-1]
    return f'{title}<p class="{shade}">{escape(test.verdict)}</p>{_table((), rows)}'


def _sample_grid(samples: Mapping[str, Sequence[str]], pictures: Pictures) -> str:
    grids = (
        f"<h3>{escape(name)}</h3>{''.join(_figure(path, '', pictures) for path in paths)}"
        for name, paths in samples.items()
    )
    return f"<h2>Samples</h2>{''.join(grids)}"


def _given_sides(sides: GivenSides | None) -> str:
    """How many images of each class the folders put on each side, and what is on two."""
    if sides is None:
        return ""
    rows = [
        (name, *(counts.get(side, 0) for side in sides.folders))
        for name, counts in sides.counts.items()
    ]
    leaks = [
        ", ".join(f"{path} ({side})" for path, side in leak.images[:COPIES_SHOWN])
        for leak in sides.leaks[:GROUPS_SHOWN]
    ]
    told = (
        f"<p>Groups of copies or shots of one leaf that are on two sides: {len(sides.leaks)}. "
        "<code>--resplit</code> makes sides without them.</p>"
        if leaks
        else "<p>No copies or shots of one leaf are on two sides.</p>"
    )
    rest = _rest(len(sides.leaks) - GROUPS_SHOWN)
    title = "<h2>Sides that the folders give</h2>"
    return f"{title}{_table(('class', *sides.folders), rows)}{told}{_list(leaks)}{rest}"


def _conflicts(conflicts: Sequence[Conflict], pictures: Pictures) -> str:
    """Each picture's files side by side, under the classes that they are filed under."""
    title = "<h2>One picture under more than one class</h2>"
    if not conflicts:
        return f"{title}<p>none</p>"
    told = (
        f"{counted(conflicts)}. A split leaves them out of every side. Decide which class is "
        "right, and remove the other file."
    )
    shown = "".join(
        f"<h3>{escape(' or '.join(sorted(set(conflict.classes))))}</h3>"
        + "".join(
            _figure(path, f"{name}: {_file_name(path)}", pictures)
            for path, name in zip(conflict.paths, conflict.classes, strict=True)
        )
        for conflict in conflicts[:CONFLICTS_SHOWN]
    )
    return f"{title}<p>{escape(told)}</p>{shown}{_rest(len(conflicts) - CONFLICTS_SHOWN)}"


def _copies(title: str, groups: Sequence[Copies], pictures: Pictures) -> str:
    shown = "".join(_group(group, pictures) for group in groups[:GROUPS_SHOWN])
    return f"<h2>{title}</h2>{shown or '<p>none</p>'}{_rest(len(groups) - GROUPS_SHOWN)}"


def _group(group: Copies, pictures: Pictures) -> str:
    told = [f"{len(group.paths)} files in {' and '.join(group.classes)}"]
    if len(group.classes) > 1:
        told.append("one picture under more than one class")
    if len(group.sides) > 1:
        told.append(f"on more than one side of the split: {', '.join(group.sides)}")
    shown = group.paths[:COPIES_SHOWN]
    figures = "".join(_figure(path, _file_name(path), pictures) for path in shown)
    return f"<h3>{escape('; '.join(told))}</h3>{figures}{_rest(len(group.paths) - len(shown))}"


def _outliers(report: DataReport, pictures: Pictures) -> str:
    figures = (
        _figure(item.path, f"{item.score:.1f} {item.class_name}: {_file_name(item.path)}", pictures)
        for item in sorted(report.outliers, key=lambda item: -item.score)
    )
    meaning = "Robust z-score of the distance to the nearest pictures of the class; look at these."
    return f"<h2>Unlike the others of their class</h2><p>{meaning}</p>{''.join(figures) or 'none'}"


def _skipped(report: DataReport) -> str:
    rows = [(item.path, item.reason) for item in report.skipped]
    table = _table(("file", "reason"), rows[:ROWS_SHOWN]) if rows else "<p>none</p>"
    left = [(item.path, item.files, item.reason) for item in report.left_out]
    places = _table(("place", "files", "reason"), left[:ROWS_SHOWN]) if left else "<p>none</p>"
    return (
        f"<h2>Files that cannot be used</h2>{table}{_rest(len(rows) - ROWS_SHOWN)}"
        f"<h2>Left out</h2>{places}{_rest(len(left) - ROWS_SHOWN)}"
    )


def _sizes(report: DataReport) -> str:
    sizes = report.sizes
    (least, low), (most, high) = sizes.smallest, sizes.largest
    told = f"<p>Smallest {least} x {low}, largest {most} x {high} pixels.</p>"
    counts = _table(("width x height", "images"), list(sizes.counts.items())[:ROWS_SHOWN])
    formats = _table(("format", "images"), sizes.formats.items())
    rest = _rest(len(sizes.counts) - ROWS_SHOWN)
    return f"<h2>Sizes and formats</h2>{told}{counts}{rest}{formats}"


def _figure(path: str, caption: str, pictures: Pictures) -> str:
    name = escape(path)
    told = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{pictures[path]}" alt="{name}" title="{name}">{told}</figure>'


def _file_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _rest(count: int) -> str:
    return f"<p>{count:,} more in report.json</p>" if count > 0 else ""


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(heads: Sequence[str], rows: Iterable[Row]) -> str:
    lines = ("".join(f"<td>{escape(str(value))}</td>" for value in row) for row in rows)
    return f"<table>{_heads(heads)}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _heads(heads: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>" if heads else ""


def _number(text: str) -> str:
    return f'<td class="number">{text}</td>'
