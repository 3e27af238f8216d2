"""What a comparison of conditions comes to."""

from __future__ import annotations

from dataclasses import dataclass

from cellport.runtime.compare.composition import Change, changes, mean_changes
from cellport.runtime.compare.design import Design, designs
from cellport.runtime.compare.expression import TypeChanges, expression_changes
from cellport.runtime.compare.study import STEP, Study


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes between conditions.

    Attributes
    ----------
    study
        The samples, their compositions and counts.
    designs
        A comparison for each condition beside the reference.
    composition
        Change of each category of each kind, and of pseudotime, for each design.
    expression
        Genes of each type, for each design; none without counts.
    notes
        What was left out and what cannot be said, a sentence each.
    """

    study: Study
    designs: tuple[Design, ...]
    composition: tuple[Change, ...]
    expression: tuple[TypeChanges, ...]
    notes: tuple[str, ...]


def comparison(study: Study, reference_level: str | None = None) -> Comparison:
    """Compare the conditions of a study."""
    made = designs(study.samples, reference_level)
    composition = [
        change for design in made for kind in study.compositions for change in changes(kind, design)
    ]
    for design in made:
        composition += mean_changes(f"{STEP} mean", study.pseudotime, design)
    expression = [
        one
        for design in made
        if study.counts is not None
        for one in expression_changes(study.counts, design)
    ]
    notes = [*study.notes, *(note for design in made for note in design.notes)]
    notes += [design.refusal for design in made if design.refusal]
    if study.counts is None:
        notes.append(
            "Expression was not compared, for want of counts: map with --pseudobulk, or give the "
            "files that were mapped as --counts."
        )
    return Comparison(
        study, tuple(made), tuple(composition), tuple(expression), tuple(dict.fromkeys(notes))
    )
