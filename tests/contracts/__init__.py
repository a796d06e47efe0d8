"""Outward contracts: names, types and defaults that others rely on, frozen as files in `expected/`.

Write a file again on purpose with `UPDATE_CONTRACTS=1 pytest tests/contracts`; its diff then shows
reviewers which contract changes.
"""
