"""All that is fitted to reference cells on top of a converted model, by the code of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellport.models.layout import LayoutNetwork
from cellport.models.structure import StructureHead
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.convert.network import Network
from cellport.runtime.convert.write import Conversion
from cellport.train.attach.encoder import Answered, ForeignEncoder, Tail, components_of
from cellport.train.attach.latents import (
    Latents,
    answers_of_latents,
    novelty_of_latents,
    profiles_of_latents,
)
from cellport.train.cells import TrainingCells, at_random
from cellport.train.degrade import Degradation
from cellport.train.infer import Encoded, in_chunks, latent_of
from cellport.train.labels.calibrate import (
    LABELS,
    Calibration,
    balanced,
    fit_temperature,
    held_out_share,
    hold_out,
)
from cellport.train.labels.left_out import (
    LeftOutAnswers,
    answers_by_batch,
    novelty_of_left_out_batches,
)
from cellport.train.labels.rules import LabelRules, fit_label_rules
from cellport.train.labels.scores import expected_calibration_error
from cellport.train.labels.tree import Group
from cellport.train.novelty import Novelty, NoveltyConfig, fit_novelty, fit_p_exponent
from cellport.train.progress import unwatched
from cellport.train.reference.reference import Reference
from cellport.train.structure.clusters import cluster_mixture, leiden
from cellport.train.structure.fit import StructureConfig
from cellport.train.umap import UmapConfig, fit_layout, layout_trust, learn_layout, place

# what a cell as it was measured weighs in the temperature beside the same cell degraded. Alike,
# probabilities of whole queries were .03 to .04 too modest (`benchmarks.foreign.reference`, Kang)
_WHOLE = 3.0
# counts that are dense at a time when cells are judged: as many as 2,000 cells of 10,000 genes
_DENSE = 20_000_000
STEPS = ("encoding", "labels", "novelty", "map", "clusters")
OnStep = Callable[[str], None]  # told which of `STEPS` begins


@dataclass(frozen=True, slots=True)
class Attached:
    """What reference cells add to a converted model."""

    cells: TrainingCells  # with the model's labels
    has: NDArray[np.bool_]  # bool [panel genes], those that the reference measured
    components: NDArray[np.float32]  # float32 [panel genes, components], for novelty
    latent: NDArray[np.float32]  # float32 [cells, latent]
    temperature: float  # that the model's scores are divided by; 1 without labels
    rules: LabelRules
    ece: float | None  # of the model's own probabilities, on the cells that judge
    unseen: bool  # whether the model says that it was trained on none of the batches
    novelty: Novelty
    layout: LayoutNetwork
    layout_scores: dict[str, float | int]
    structure: StructureHead
    n_clusters: int
    seed: int
    # float32 [max(labels, 1), genes] where there are no counts to tell them
    profiles: NDArray[np.float32] | None = None


def attach(
    made: Conversion,
    cells: TrainingCells,
    reference: Reference,
    has: NDArray[np.bool_],
    groups: Sequence[Group],
    seed: int,
    on_step: OnStep = unwatched,
) -> Attached:
    """Fit everything that needs no retraining.

    Parameters
    ----------
    cells
        With the model's labels, and further codes for labels that it does not know: groups of
        cells that are no novelty.
    reference
        The same cells with the model's labels alone.
    has
        bool [panel genes], those that the reference measured.
    groups
        Of labels that the maker named.
    on_step
        Told before each step.
    """
    on_step("encoding")
    rng, degradation = np.random.default_rng(seed), Degradation()
    n_cells, width = cells.counts.shape
    cells = replace(cells, held_out=hold_out(cells.label, held_out_share(n_cells), rng))
    judged = int(np.clip(_DENSE // width, 200, NoveltyConfig().most_judged))
    none = np.empty((len(has), 0), np.float32)
    some = cells.counts[at_random(cells.trained, judged, rng)]
    components = components_of(ForeignEncoder(made.network, has, none), some, seed)
    encoder = ForeignEncoder(made.network, has, components)
    encoded = Encoded(encoder, cells, latent_of(encoder, cells.counts), seed)
    known = replace(cells, label=reference.label)
    on_step("labels")
    answers = None
    if cells.n_labels:
        answers = answers_by_batch(replace(encoded, cells=known), degradation)
    unseen = _unseen(made, reference)
    temperature, rules = _label_rules(
        answers, reference.labels, groups, unseen, made.network.head == "softmax"
    )
    on_step("novelty")
    # the doubt of the scores as the atlas has them tells of novelty
    encoded = replace(encoded, encoder=ForeignEncoder(made.network, has, components, temperature))
    exponent = fit_p_exponent(novelty_of_left_out_batches(encoded))
    novelty = fit_novelty(encoded, exponent, NoveltyConfig(most_judged=judged))
    # shares of the panel, of which the reference need not have all
    novelty.arrays["novelty_share"] *= np.float32(has.mean())
    on_step("map")
    layout, layout_scores = learn_layout(encoded, degradation)
    on_step("clusters")
    structure, n_clusters = _clustered(encoded.latent, cells, seed, rng)
    return Attached(
        cells=known,
        has=has,
        components=components,
        latent=encoded.latent,
        temperature=temperature,
        rules=rules,
        ece=None if answers is None else _ece(answers, made.network),
        unseen=unseen,
        novelty=novelty,
        layout=layout,
        layout_scores=layout_scores,
        structure=structure,
        n_clusters=n_clusters,
        seed=seed,
    )


def _clustered(
    latent: NDArray[np.float32], cells: TrainingCells, seed: int, rng: np.random.Generator
) -> tuple[StructureHead, int]:
    """Cluster the cells as training does; what answers for the clusters, and their number."""
    config = StructureConfig()
    sample = latent[at_random(cells.trained, config.most_cells, rng)]
    cluster = leiden(sample, seed, config.resolution)
    return StructureHead(cluster_mixture(sample, cluster), None).eval(), int(cluster.max()) + 1


def _label_rules(
    answers: LeftOutAnswers | None,
    labels: tuple[str, ...],
    groups: Sequence[Group],
    unseen: bool,
    softmax: bool,
) -> tuple[float, LabelRules]:
    """Temperature of the scores, and the rules of the labels.

    `unseen` if the model knows none of the batches; `softmax` if its scores are log-odds of one
    label against the others together, on one scale.
    """
    if answers is None:
        return 1.0, LabelRules()
    weight = balanced(answers.group) * np.where(answers.degraded, 1.0, _WHOLE)
    temperature = fit_temperature(answers.logits, answers.label, weight)
    if softmax and not unseen:
        # of cells that a model knows it is right more often than of others
        temperature = max(temperature, 1.0)
    answers = replace(answers, logits=answers.logits / np.float32(temperature))
    several = answers.group.max() > answers.group.min()
    # what these cells ask for has been done to the logits
    how = replace(LABELS, least_temperature=1.0)
    rules = fit_label_rules(answers if several else None, answers, labels, groups, how)
    if rules.held_out is not None and not unseen:
        # batches that the model may have been trained on are not left out, and that it is right
        # more often of them than its sets would need says nothing of others
        level, held_out = LABELS.set_level, rules.held_out
        sets = held_out.sets and replace(held_out.sets, level=level)
        told = replace(held_out, by="cell", sets=sets)
        rules = replace(rules, set_level=level, held_out=told)
    return temperature, rules


def _unseen(made: Conversion, reference: Reference) -> bool:
    """Whether the model names the batches that it was trained on, and none of these is there."""
    known = made.model.batches if isinstance(made.model, ScviModel) else ()
    return len(known) > 1 and not set(known) & set(reference.batches)


def _ece(answers: LeftOutAnswers, network: Network) -> float:
    """Return the expected calibration error of the model's own probabilities, of whole cells."""
    whole = ~answers.degraded
    logits, label = answers.logits[whole], answers.label[whole]
    if network.head == "sigmoids":
        prob = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))
    else:
        prob = Calibration().prob(logits).astype(np.float64)
    return expected_calibration_error(prob.max(axis=1), logits.argmax(axis=1) == label)


def attach_latents(
    made: Conversion,
    cells: TrainingCells,
    reference: Reference,
    latents: Latents,
    groups: Sequence[Group],
    seed: int,
    on_step: OnStep = unwatched,
) -> Attached:
    """Fit what latents alone tell; the parameters are those of `attach`.

    Nothing is told of shallow cells, or of such that lack genes: these need counts.
    """
    rng = np.random.default_rng(seed)
    on_step("encoding")
    cells = replace(cells, held_out=hold_out(cells.label, held_out_share(len(cells.label)), rng))
    latent, logits = _answered(Tail(made.network).eval().of_mean, latents.mean)
    known = replace(cells, label=reference.label)
    on_step("labels")
    answers = None
    if cells.n_labels:
        answers = answers_of_latents(logits, known, seed)
    unseen = _unseen(made, reference)
    temperature, rules = _label_rules(
        answers, reference.labels, groups, unseen, made.network.head == "softmax"
    )
    if rules.held_out is not None:
        # how sets do on degraded cells is part of what is said of them
        rules = replace(rules, held_out=replace(rules.held_out, sets=None))
    on_step("novelty")
    novelty = novelty_of_latents(
        latent, logits / np.float32(temperature), latents.library, cells, seed
    )
    on_step("map")
    rows = at_random(cells.trained, UmapConfig().most_cells, rng)
    layout = fit_layout(latent[rows], latent[rows], seed)
    held_out = latent[cells.held_out]
    on_step("clusters")
    structure, n_clusters = _clustered(latent, cells, seed, rng)
    n_genes = made.network.panel.n_genes
    return Attached(
        cells=known,
        has=np.ones(n_genes, np.bool_),
        components=np.empty((n_genes, 0), np.float32),
        latent=latent,
        temperature=temperature,
        rules=rules,
        ece=None if answers is None else _ece(answers, made.network),
        unseen=unseen,
        novelty=novelty,
        layout=layout,
        layout_scores=layout_trust(held_out, place(layout, held_out), seed),
        structure=structure,
        n_clusters=n_clusters,
        seed=seed,
        profiles=profiles_of_latents(made, latent, latents.library, known),
    )


def _answered(
    answer: Callable[[Tensor], Answered], mean: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    latent, logits = in_chunks(len(mean), lambda rows: answer(torch.from_numpy(mean[rows])))
    return latent, logits
