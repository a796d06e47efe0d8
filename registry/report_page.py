"""The gate's report as one page for somebody who never saw the code.

First line the verdict, then what it means, then each reason with its picture and what to do. It
needs no script and nothing from elsewhere.
"""

import base64
import math
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from registry.checks import Verdict
from registry.gate_pictures import PICTURES

if TYPE_CHECKING:
    from registry.report import GateReport

VERDICTS = {"promoted": "is promoted", "on hold": "is on hold"}
DOUBTFUL = 0.8  # of a verdict's sureness: below, more images are asked for
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #ccc; --soft: #555;
  --no: #a33a00; --yes: #00694d; --panel: #f5f3ef }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e3; --paper: #17191b; --line: #44484c;
  --soft: #b4b1ac; --no: #ff9e66; --yes: #5fd3ac; --panel: #212427 } }
* { box-sizing: border-box }
body { font: 17px/1.55 system-ui, sans-serif; margin: 0; color: var(--ink);
  background: var(--paper); overflow-wrap: break-word }
main { max-width: 50rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 1rem }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.5rem 0 .5rem }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .3rem } h3 + p { margin-top: 0 }
section { border-top: 3px solid var(--no); margin-top: 2.5rem } section h2 { margin-top: 1rem }
.no { color: var(--no) } .yes { color: var(--yes) } small { color: var(--soft) }
.todo { background: var(--panel); border-radius: 6px; padding: .1rem 1rem }
figure { margin: 1.2rem 0 } figcaption { color: var(--soft); font-size: .9rem }
img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid
  var(--line); border-radius: 6px; padding: 4px; margin-bottom: .4rem }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid var(--line); padding: .4rem .6rem .4rem 0; text-align: left;
  vertical-align: top; font-weight: normal }
.facts td { overflow-wrap: anywhere } .n { white-space: nowrap }
thead th { color: var(--soft) } .checks td:first-child { min-width: 13rem }
summary { cursor: pointer; padding: .4rem 0 } a { color: inherit }
"""


def page(report: "GateReport", pictures: Mapping[str, bytes]) -> str:
    """A self-contained HTML page. pictures: PNG by check."""
    shade = "no" if report.decision in ("held back", "on hold") else "yes"
    parts = [
        f'<h1 class="{shade}">{escape(_verdict(report))}</h1>',
        f"<p>{escape(what_happens_now(report))}</p>",
        _contents(report),
        *(_reason(report, item, pictures) for item in report.failed),
        _passed(report, pictures),
        _measured_on(report),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.headline)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def _verdict(report: "GateReport") -> str:
    named, checks = f"{report.model} version {report.version}", len(report.verdicts)
    failed = len(report.failed)
    if failed and checks == 1:
        return f"{named} is held back: {report.verdicts[0].sentence}"
    if failed:
        return f"{named} is held back: it did not pass {failed} of {checks} checks"
    told = VERDICTS.get(report.decision, "has passed the gate")
    return f"{named} {told}: it passed all {checks} checks"


def what_happens_now(report: "GateReport") -> str:
    """What the verdict means for those who ask the model, in plain words."""
    before = report.champion
    if before == report.version:
        told = f"Nothing changes: version {before} is in production already and goes on answering."
        undo = f" If another came before: leafgate models rollback {report.model} goes back to it."
        return told + (undo if report.failed else "")
    if report.decision == "promoted":
        place = f", in place of version {before}" if before else "; none was in production before"
        return f"It answers from now on{place}."
    if before:
        told = f"Production is unchanged: version {before} goes on answering."
    else:
        told = "Production is unchanged: no version is in production, so nobody gets an answer."
    return f"{_of_the_hold(report)}{told}"


def _of_the_hold(report: "GateReport") -> str:
    hold = report.hold
    if hold is None:
        return ""
    release = f"leafgate models release {report.model} --version {report.version}"
    return (
        f"{hold.who} has kept it out of production since {hold.at_utc}: “{hold.reason}” "
        f"It can be promoted once that is over: {release}. "
    )


def _contents(report: "GateReport") -> str:
    if len(report.failed) < 2:
        return ""
    items = "".join(
        f'<li><a href="#{escape(item.check)}">{escape(report.question(item.check)[0])}</a> '
        f'<b class="no">{_answer(item)}</b></li>'
        for item in report.failed
    )
    return f"<p>The reasons, each explained below:</p><ul>{items}</ul>"


def _reason(report: "GateReport", item: Verdict, pictures: Mapping[str, bytes]) -> str:
    question, remedy = report.question(item.check)
    todo = f'<div class="todo"><h3>What to do</h3><p>{_prose(remedy)}</p></div>' if remedy else ""
    outcome = f" Outcome: {escape(item.outcome)}." if item.outcome else ""
    return (
        f'<section id="{escape(item.check)}"><h2>{escape(question)} '
        f'<span class="no">{_answer(item)}</span> <small>{escape(item.check)}</small></h2>'
        f"<p>{_prose(item.sentence)}</p>"
        f"<p>Measured: <b>{_figure(item)}</b>. Asked for: <b>{escape(item.bound)}</b>.{outcome}"
        f"{_how_sure(item)}</p>{_picture(report, item, pictures)}{todo}</section>"
    )


def _answer(item: Verdict) -> str:
    """What could not be measured is not passed either."""
    if item.passed:
        return "Yes"
    return "Not known" if math.isnan(item.figure) and item.check != "runs" else "No"


def _how_sure(item: Verdict) -> str:
    if item.sure is None:
        return ""
    told = f" Another draw of as many test images would say the same {_cases(item.sure)}."
    if item.sure < DOUBTFUL:
        told += " More images are needed to be certain."
    return told


def _cases(sure: float) -> str:
    cases = round(100 * sure)
    return "in more than 99 of 100 cases" if cases > 99 else f"in {cases} of 100 cases"


def _picture(report: "GateReport", item: Verdict, pictures: Mapping[str, bytes]) -> str:
    if item.check not in pictures:
        return ""
    known = PICTURES[report.kind].get(item.check)
    shows, reading = (known.shows, known.reading) if known else (item.check, "")
    encoded = base64.b64encode(pictures[item.check]).decode()
    seen = escape(f"{shows}. {_capital(item.sentence)}")
    return (
        f'<figure><img alt="{seen}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{escape(reading)}</figcaption></figure>"
    )


def _passed(report: "GateReport", pictures: Mapping[str, bytes]) -> str:
    if not report.passed:
        return ""
    rows = [
        f'<td>{escape(report.question(item.check)[0])} <b class="yes">Yes</b> '
        f'<small>{escape(item.check)}</small></td><td class="n">{_figure(item)}</td>'
        f'<td>{escape(item.bound)}</td><td class="n">{_sure_cell(item)}</td>'
        for item in report.passed
    ]
    heads = "".join(f"<th>{name}</th>" for name in ("question", "measured", "asked for", "sure"))
    details = "".join(
        f"<details><summary>{escape(report.question(item.check)[0])}</summary>"
        f"<p>{_prose(_with_outcome(item))}{_how_sure(item)}</p>"
        f"{_picture(report, item, pictures)}</details>"
        for item in report.passed
    )
    return (
        f'<h2>What it passed</h2><div class="wide"><table class="checks"><thead><tr>{heads}</tr>'
        f"</thead><tbody>{_rows(rows)}</tbody></table></div>"
        f"<h3>The passed checks in words and pictures</h3>{details}"
    )


def _with_outcome(item: Verdict) -> str:
    return f"{item.outcome}: {item.sentence}" if item.outcome else item.sentence


def _sure_cell(item: Verdict) -> str:
    return "–" if item.sure is None else f"{100 * item.sure:.0f} in 100"


def _measured_on(report: "GateReport") -> str:
    before = "none" if report.champion is None else f"version {report.champion}"
    facts = {
        "Test images": f"{report.test_images:,}",
        "Groups of images that belong together": f"{report.leaf_groups:,}",
        "Evaluation set (digest)": report.evaluation_set,
        "Data (digest)": report.data_digest,
        "Stored model (digest)": report.artifact_digest,
        "Form measured, as it is served": report.engine,
        "Machine": report.machine,
        "Policy": report.policy,
        "Policy (digest)": report.policy_digest,
        "Training run": report.run_id,
        "In production when judged": before,
        "Judged": f"{report.judged_at_utc} (UTC) by {report.judged_by}",
        "Took": f"{report.seconds:,.0f} seconds",
    }
    rows = [f"<th>{name}</th><td>{escape(value) or '–'}</td>" for name, value in facts.items()]
    return f'<h2>Measured on</h2><table class="facts">{_rows(rows)}</table>'


def _rows(rows: Iterable[str]) -> str:
    return "".join(f"<tr>{row}</tr>" for row in rows)


def _figure(item: Verdict) -> str:
    return "not known" if math.isnan(item.figure) else f"{item.figure:.4g}"


def _capital(text: str) -> str:
    """As a sentence."""
    ended = text if text.endswith((".", "!", "?")) else f"{text}."
    return ended[:1].upper() + ended[1:]


def _prose(text: str) -> str:
    """Escaped, `code` set as such."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(_capital(text)))
