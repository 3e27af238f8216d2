"""A trained model and all that was fitted on top of it, as the manifest and members of an atlas."""

from __future__ import annotations

from cellport.runtime.atlas.manifest import Manifest
from cellport.train.export.card import write_card
from cellport.train.export.manifest import atlas_manifest
from cellport.train.export.members import array_members, export_members, reference_members
from cellport.train.export.parts import AtlasParts
from cellport.train.structure.profiles import along_trajectory
from cellport.train.umap import place


def export_atlas(parts: AtlasParts) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the members of an atlas, ready to be written."""
    manifest = atlas_manifest(parts)
    fitted, structure = parts.fitted, parts.structure
    members = export_members(
        fitted, parts.rules.calibration, parts.novelty, parts.layout, structure.head
    )
    placed = place(parts.layout, fitted.latent)
    members |= reference_members(parts.reference, fitted.latent, placed, fitted.seed)
    members |= array_members(along_trajectory(fitted, structure, placed))
    members["README.md"] = write_card(manifest).encode()
    return manifest, members
