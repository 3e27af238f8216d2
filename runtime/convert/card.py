"""The card of a converted atlas: the README inside it."""

from __future__ import annotations

from cellport.runtime.atlas.assumed import describe_batch, describe_labels, describe_own
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.base.names import listed

_MOST = 200


def write_card(manifest: Manifest) -> str:
    """Describe a converted atlas in Markdown: what it was made of, and what it cannot tell."""
    made, name = manifest.provenance, _text(manifest.name)
    lines = [
        f"# {name}",
        "",
        "A published model as a cellport atlas: converted, not retrained. Map your cells with "
        f"`cellport map {name}.cellport my_cells.h5ad -o mapped.h5ad`.",
        "",
        f"- converted from: {_text(made.converted_from)}, on {made.created}",
        f"- source: {_text(made.source) or 'not stated'}",
        f"- authors: {_text(made.authors) or 'not stated'}",
        f"- licence: {_text(made.licence) or 'not stated; ask its makers before you pass it on'}",
        *([f"- attribution: {_text(made.attribution)}"] if made.attribution else []),
        f"- organism: {manifest.organism or 'not stated'}",
        f"- genes: {manifest.n_genes:,}; latent: {manifest.n_latent} dimensions",
        f"- labels: {_some(manifest.labels)}",
        *_batch(manifest),
        "",
        "## What it tells, and what not",
        "",
    ]
    if manifest.head.set_prob:
        lines.append(
            "Labels are those of the model; how sure they are, the label sets and the calls were "
            "fitted afterwards to labelled reference cells, as what follows says."
        )
    elif manifest.labels:
        lines.append(
            f"{describe_labels(manifest)} There are no calls, no label sets and no novelty, for "
            "which reference cells would be needed."
        )
    else:
        lines.append("A latent alone: the model answers no labels.")
    if compared := made.training.get("own_atlas"):
        lines += ["", "## Beside an atlas trained on the reference", "", describe_own(compared)]
    return "\n".join([*lines, ""])


def _batch(manifest: Manifest) -> list[str]:
    assumed = manifest.assumed_batch
    return [] if assumed is None else [f"- batch: {describe_batch(assumed)}"]


def _some(names: tuple[str, ...]) -> str:
    return listed(list(map(_text, names)), _MOST) or "none"


def _text(words: str) -> str:
    """Words that cannot be taken for markup."""
    return "".join("\\" + one if one in "\\`*_{}[]<>|#" else one for one in " ".join(words.split()))
