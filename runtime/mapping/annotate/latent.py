"""Where cells lie: the latent, and the place on the atlas's 2-D map."""

from __future__ import annotations

from cellport.runtime.columns import LATENT, UMAP, Schema
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting


def prepare(setting: Setting) -> Annotator:
    """Give every cell its latent and its place."""
    return Annotator(
        Schema(obsm={LATENT: setting.atlas.manifest.n_latent, UMAP: 2}),
        lambda cells: {LATENT: cells.answers["latent"], UMAP: cells.answers["umap"]},
    )
