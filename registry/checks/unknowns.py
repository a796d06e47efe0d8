"""Pictures that are nothing the model knows are called unknown, and known ones are not."""

from leafgate.wording import counted
from registry.checks.check import Check, at_most
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict


def unknowns(
    evidence: ClassifierEvidence, let_through_at_most: float, refused_at_most: float
) -> Verdict:
    """Passes where few strangers are let through and few test images are refused. The figure is
    the share let through.
    """
    strangers = evidence.strangers
    assert strangers is not None  # noqa: S101 - asked for by `needs`
    bound = f"at most {let_through_at_most:g} let through, {refused_at_most:g} refused"
    let_through = float(strangers.let_through.mean()) if len(strangers.kinds) else float("nan")
    unknown = evidence.answers.unknown
    refused = float(unknown.mean()) if len(unknown) else float("nan")
    told = (
        f"{let_through:.1%} of {counted(len(strangers.kinds), 'picture')} that are nothing it "
        f"knows get a diagnosis all the same; {refused:.1%} of the real test images are refused"
    )
    if not strangers.scored:
        told = "it was stored without a score for unknown pictures: every picture gets a diagnosis"
    passed = let_through <= let_through_at_most and refused <= refused_at_most
    return Verdict("unknowns", passed, let_through, bound, told)


CHECK = Check(
    question="Does it say so when a picture shows nothing it knows?",
    remedy="Train again with this LeafGate, which stores such a score; `known_share` in the "
    "training's settings moves its threshold.",
    judge=unknowns,
    bounds=(at_most("let_through_at_most"), at_most("refused_at_most")),
    needs=("strangers",),
)
