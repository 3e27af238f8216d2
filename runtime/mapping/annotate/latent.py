"""Where cells lie: the latent, and the place on the atlas's 2-D map."""

from __future__ import annotations

from cellport.runtime.columns import LATENT, UMAP, Schema
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting


def prepare(setting: Setting) -> Annotator:
    """Give every cell its latent, and its place where the atlas has a map."""
    manifest = setting.atlas.manifest
    answers = {LATENT: "latent"} | ({UMAP: "umap"} if manifest.has_reference else {})
    width = {LATENT: manifest.n_latent, UMAP: 2}
    return Annotator(
        Schema(obsm={name: width[name] for name in answers}),
        lambda cells: {name: cells.answers[answer] for name, answer in answers.items()},
    )
