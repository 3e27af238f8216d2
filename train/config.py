"""What is asked of training: the atlas to make, and how its model is fitted."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

from cellport.runtime.errors import TrainingError
from cellport.train.degrade import Degradation


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How to train.

    Attributes
    ----------
    n_latent, n_hidden
        Dimensions of the latent, and units of each hidden layer.
    dropout
        Probability of dropping a hidden unit in training.
    likelihood
        ``nb``, negative binomial, or ``zinb``, its zero-inflated kin.
    epochs
        Passes over the cells; chosen from their number when None.
    batch_size
        Cells a step; chosen from the number of cells when None.
    learning_rate
        Peak of the one-cycle schedule.
    weight_decay, skip_weight_decay
        How hard weights are drawn to zero, in the network and in the linear skip from features
        to labels.
    gene_parts
        Parts that the panel's genes are dealt into, of which a step asks the decoder for one: with
        large minibatches several make training faster. Zero-inflated counts are asked for whole.
    label_weight
        Weight of the label loss beside the evidence lower bound.
    kl_warmup
        Share of the steps over which the KL term grows to its full weight.
    patience
        Share of the epochs without a better held-out loss after which training stops.
    seed
        Every random choice follows from it: the same seed gives the same atlas.
    device
        ``auto``, ``cpu`` or ``cuda``.
    precision
        A name of Lightning Fabric's, for example ``32-true`` or ``bf16-mixed``.
    degradation
        What the encoder must withstand.
    """

    n_latent: int = 30
    n_hidden: int = 128
    dropout: float = 0.1
    likelihood: Literal["nb", "zinb"] = "nb"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    skip_weight_decay: float = 0.01
    gene_parts: int = 1
    label_weight: float = 50.0
    kl_warmup: float = 0.3
    patience: float = 0.3
    seed: int = 0
    device: str = "auto"
    precision: str = "32-true"
    degradation: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        """Refuse settings that would quietly mean something else.

        Raises
        ------
        TrainingError
            A setting is not one of its choices, or not positive.
        """
        choices = {"likelihood": ("nb", "zinb"), "device": ("auto", "cpu", "cuda")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise TrainingError(
                    f"{name} must be {' or '.join(allowed)}, not {getattr(self, name)!r}."
                )
        for name in ("n_latent", "n_hidden", "batch_size", "gene_parts", "learning_rate", "epochs"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise TrainingError(f"{name} must be above 0, not {value!r}.")


@dataclass(frozen=True, slots=True)
class AtlasConfig:
    """What to make.

    Attributes
    ----------
    labels, batch
        Columns of ``obs``; None for none.
    layer
        Where the raw counts are; found when None.
    genome
        Of 10x files or folders of several genomes, the one to take.
    name
        Of the atlas; that of the file when None.
    source, authors, licence, attribution, limits
        What the manifest and the card state: where the counts came from (the reference's files
        when empty), who made the reference, under which terms the atlas is given away, what
        whoever passes it on has to say, and what it cannot do.
    organism
        ``human`` or ``mouse``; inferred from the gene names when None.
    n_genes
        Size of the gene panel.
    keep_genes
        Names of genes that are in the panel whatever their variance: the markers that people will
        look for.
    label_tree
        Columns of ``obs`` with coarser labels, from which calls back off.
    ontology, label_ids
        An OBO file (Cell Ontology), as another source of coarser labels, and the column with the
        labels' terms in it. The terms alone are kept in the atlas, which gives them to cells.
    other
        Names of groups that cells have as their label though they are of none of its other types:
        of these cells a label of its own is made. Else they are trained as one of the others.
    root, root_cell
        Labels, and names of cells, at which trajectories start; one trajectory for each. Without
        any, there is one where most cells form a continuum, and its start is proposed.
    in_memory
        Bytes of the panel's counts, about 2 kB a cell, above which they go to a scratch file
        beside the atlas. The atlas is the same.
    save_seconds
        How often a long epoch is saved.
    fit
        How to train.
    """

    labels: str | None = None
    batch: str | None = None
    layer: str | None = None
    genome: str | None = None
    name: str | None = None
    source: str = ""
    authors: str = ""
    licence: str = ""
    attribution: str = ""
    limits: str = ""
    organism: str | None = None
    n_genes: int = 2000
    keep_genes: tuple[str, ...] = ()
    label_tree: tuple[str, ...] = ()
    ontology: str | os.PathLike[str] | None = None
    label_ids: str | None = None
    other: tuple[str, ...] = ()
    root: tuple[str, ...] = ()
    root_cell: tuple[str, ...] = ()
    in_memory: int = 128 << 20
    save_seconds: float = 60.0
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        """Refuse half of an ontology.

        Raises
        ------
        TrainingError
            An ontology without terms.
        """
        refuse_half_an_ontology(self.ontology, self.label_ids)


def refuse_half_an_ontology(ontology: object, label_ids: str | None) -> None:
    """Refuse an ontology without the labels' terms in it.

    Raises
    ------
    TrainingError
        It is there alone.
    """
    if ontology is not None and label_ids is None:
        raise TrainingError("An ontology needs the column with the labels' terms.")


class AtlasSettings(TypedDict, total=False):
    """Every setting by name, for type checkers: those of `AtlasConfig` and of `FitConfig`."""

    labels: str | None
    batch: str | None
    layer: str | None
    genome: str | None
    name: str | None
    source: str
    authors: str
    licence: str
    attribution: str
    limits: str
    organism: str | None
    n_genes: int
    keep_genes: tuple[str, ...]
    label_tree: tuple[str, ...]
    ontology: str | os.PathLike[str] | None
    label_ids: str | None
    other: tuple[str, ...]
    root: tuple[str, ...]
    root_cell: tuple[str, ...]
    in_memory: int
    save_seconds: float
    fit: FitConfig
    n_latent: int
    n_hidden: int
    dropout: float
    likelihood: Literal["nb", "zinb"]
    epochs: int | None
    batch_size: int | None
    learning_rate: float
    weight_decay: float
    skip_weight_decay: float
    gene_parts: int
    label_weight: float
    kl_warmup: float
    patience: float
    seed: int
    device: str
    precision: str
    degradation: Degradation


def with_settings(config: AtlasConfig, settings: AtlasSettings) -> AtlasConfig:
    """Return a config with some settings changed by name, whichever class they are in.

    Raises
    ------
    TypeError
        There is no setting of that name.
    """
    named: dict[str, Any] = dict(settings)
    unknown = sorted(set(named) - set(AtlasSettings.__annotations__))
    if unknown:
        raise TypeError(f"train_atlas has no setting {', '.join(unknown)}")
    own = {name: named.pop(name) for name in AtlasConfig.__dataclass_fields__ if name in named}
    config = replace(config, **own)
    return replace(config, fit=replace(config.fit, **named))
