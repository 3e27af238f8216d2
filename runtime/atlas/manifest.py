"""What an atlas says of itself, typed: ``manifest.json``, described in ``docs/format.md``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cellport.runtime.atlas.label_tree import build_tree
from cellport.runtime.base.typed_json import MalformedError, UnknownValueError, quoted, read_typed
from cellport.runtime.decisions import say, table, text, texts
from cellport.runtime.errors import AtlasError
from cellport.runtime.genes.panel import Panel
from cellport.runtime.version import FORMAT_VERSION, __version__

Library = Literal["panel", "query", "none"]
Fill = Literal["factors", "mean", "zero"]
HeadKind = Literal["softmax", "sigmoids", "prototypes", "none"]
# held-out cells that scores may rest on without a word
_ENOUGH_JUDGED = 50

CalibrationState = Literal["left_out_batches", "held_out_cells", "none"]
_VERSION = re.compile(text("format.version"))
# what the format can state and this version maps with; anything else is refused by name
_BUILT, _NEEDED_ANSWERS = table("format.built"), texts("format.needed_answers")
_DECIDED = {"label_prob", "label_score", "label_distance", "umap"}
# what this version knows of `Manifest.requires`
_KNOWN = texts("format.known")


@dataclass(frozen=True, slots=True)
class Input:
    """How raw counts become the values that the features are made of."""

    # what a cell's counts are divided by: their sum over the genes of the ``panel``, over all genes
    # of the ``query``, or nothing (``none``)
    library: Library
    target: float | None  # counts that a cell is scaled to; None where its library is ``none``
    log1p: bool  # whether log(1 + x) is taken
    centre: bool  # whether ``gene_mean`` is taken off
    scale: bool  # whether values are divided by a standard deviation
    cap: bool  # whether values above ``gene_cap`` are set to it, before they are centred


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far label probabilities can be taken at their word."""

    # what they were calibrated on: batches left out of training, cells held out of it, or nothing
    state: CalibrationState
    # log-odds x of a best label above one half were made x / (1 + softness x)
    softness: float = 0.0
    temperature: float = 1.0  # logits were divided by it before
    # where the measured genes hold a share i of what tells labels apart, probabilities count for
    # 1 - (1 - i)^power, and for the rest all labels are as likely; 0: they count as they are
    information_power: float = 0.0


@dataclass(frozen=True, slots=True)
class Head:
    """How labels are answered."""

    # ``softmax``: probabilities that sum to 1; ``sigmoids``: one a label, each by itself;
    # ``prototypes``: that of the nearest one; ``none``: an atlas without labels
    kind: HeadKind
    calibration: Calibration  # of the probabilities
    # least probability at which each label enters a cell's label set; none where nothing tells, and
    # then there are no label sets and no calls
    set_prob: tuple[float, ...] = ()
    # besides, the most probable labels are in the set until their probabilities add up to this
    set_mass: float = 0.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Numbers that decide calls and flags; `thresholds.MEANING` says what each means."""

    low_depth: float
    low_gene_coverage: float
    novelty_p: float
    set_level: float
    call_prob: float


@dataclass(frozen=True, slots=True)
class TrajectoryGraph:
    """The trajectory as a graph, directed away from its roots."""

    # names of the roots, branchings and ends. The far side of a circle is there twice
    milestones: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]  # positions in `milestones` that each edge leads from and to
    # positions in `milestones` of the terminal states, after which lineages are named
    terminals: tuple[int, ...]
    root_from: tuple[str, ...] = ()  # how each root was found, in words

    @property
    def edge_names(self) -> tuple[str, ...]:
        """``from -> to`` of each edge."""
        names = self.milestones
        return tuple(
            say("structure.edge", start=names[start], end=names[end]) for start, end in self.edges
        )

    @property
    def terminal_names(self) -> tuple[str, ...]:
        """Names of the terminal states."""
        return tuple(self.milestones[at] for at in self.terminals)


@dataclass(frozen=True, slots=True)
class Structure:
    """What cells are placed in."""

    clusters: tuple[str, ...]  # names of the reference's clusters
    trajectory: TrajectoryGraph | None = None  # the course of its cells; None where there is none
    no_trajectory: str = ""  # why there is none, in words


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How often held-out cells of a label were given it."""

    cells: int  # how many there were
    recall: float  # share of them that were given that label


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Held-out cells by the probability of their label."""

    low: float  # least probability
    high: float  # largest one
    cells: int  # how many
    confidence: float  # mean probability
    accuracy: float  # share whose label was right


@dataclass(frozen=True, slots=True)
class SetScores:
    """What label sets promise, and held on held-out cells."""

    level: float  # share of cells whose set is to hold their label
    coverage: float  # that share of held-out cells
    mean_size: float  # labels in a set of theirs
    coverage_degraded: float  # that share of the same cells made shallow and short of genes
    mean_size_degraded: float  # labels in a set of theirs


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How good labels were on reference cells that the model had not seen."""

    # whether whole batches were left out, or cells of the batches trained on
    by: Literal["batch", "cell"]
    cells: int  # how many were judged
    accuracy: float  # share whose label was right
    macro_f1: float  # mean F1 over labels
    ece: float  # expected calibration error
    by_label: dict[str, LabelScore]  # scores of each label that had held-out cells
    reliability: tuple[ReliabilityBin, ...]  # cells by the probability of their label
    sets: SetScores | None = None  # what label sets held

    @property
    def doubt(self) -> str:
        """What to say where few cells stand behind the accuracy; '' where there are enough.

        Fewer than 50, of which a share of 0.9 has a standard error above 0.04. The interval is
        that of Agresti and Coull 1998, The American Statistician, "Approximate is better than
        'exact'": two right and two wrong cells more, and two standard errors.
        """
        if self.cells >= _ENOUGH_JUDGED:
            return ""
        n = self.cells + 4
        share = (self.accuracy * self.cells + 2) / n
        within = 2 * math.sqrt(share * (1 - share) / n)
        low, high = max(share - within, 0), min(share + within, 1)
        return f"so few cells that the accuracy may be anything from {low:.2f} to {high:.2f}"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an atlas comes from; nothing that maps depends on it."""

    created: str  # day, ``2026-11-28``
    made_by: str  # program and version
    cells: int  # reference cells that it was trained on
    source: str = ""  # where the reference's counts came from; empty where not stated
    authors: str = ""  # who made the reference
    licence: str = ""  # of the atlas
    attribution: str = ""  # what whoever passes the atlas on has to say
    limits: str = ""  # what it cannot do, in its maker's words
    # what model of another tool it was made of; empty for one that was trained
    converted_from: str = ""
    # settings and findings of the training, in any shape
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What training found that makes the atlas worse than its figures say, in sentences."""
        told = self.training.get("cautions")
        return tuple(map(str, told)) if isinstance(told, list) else ()


@dataclass(frozen=True, slots=True)
class AssumedBatch:
    """The batch that a converted encoder, which asks for one, is told that every cell is of."""

    batches: tuple[str, ...]  # names of the batches that its model knows
    weights: tuple[float, ...]  # of each in the mean that stands for the batch; they add up to 1
    cells: int = 0  # cells drawn from the model's own decoder that told the numbers below
    # least share of them that keep their label when they are said to be of one of the batches
    agreement: float | None = None
    # largest mean distance that this moves them in the latent, beside their mean distance from
    # their centre
    shift: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an atlas says of itself."""

    name: str  # of the atlas
    organism: str  # ``human``, ``mouse`` or empty
    panel: Panel  # the genes that it reads, in the order of ``encoder.onnx``'s input
    input: Input  # counts to values
    # what stands for a gene that a query did not measure: what a ``factors`` model of the genes
    # expects; its ``mean``, where values are centred; or ``zero``, where they are not
    fill: Fill
    n_latent: int  # width of the latent
    answers: tuple[str, ...]  # outputs of ``encoder.onnx``, in order
    labels: tuple[str, ...]  # names of the labels; none for an atlas without
    # the label tree: the parent of each label or group of labels that has one
    parents: dict[str, str]
    head: Head  # how labels are answered
    # names, in the order of ``decoder.onnx``'s input; none without decoder and reference cells
    batches: tuple[str, ...]
    thresholds: Thresholds  # numbers that decide calls and flags
    structure: Structure | None  # clusters and trajectory; None without
    # how good the labels are; None where no labelled cell could be held out
    held_out: HeldOut | None
    provenance: Provenance  # where it comes from
    # what stands for a cell's batch in an encoder that asks for it; None where it asks for none
    assumed_batch: AssumedBatch | None = None
    # terms of an ontology of cell types, by label; of the labels whose maker said it
    label_terms: dict[str, str] = field(default_factory=dict)
    minimum_runtime: str = "0.1.0"  # oldest cellport that can map with this atlas
    # what it uses of the format beyond its first version: name, and the cellport version from which
    # on that is known
    requires: dict[str, str] = field(default_factory=dict)

    @property
    def n_genes(self) -> int:
        """Number of panel genes."""
        return self.panel.n_genes

    @property
    def target(self) -> float:
        """Counts that a cell is scaled to."""
        return self.input.target or 0.0

    @property
    def has_reference(self) -> bool:
        """Whether there are reference cells to compare with: novelty, neighbours, a 2-D map."""
        return "novelty_score" in self.answers

    @property
    def gives_prob(self) -> bool:
        """Whether labels come with probabilities."""
        return self.head.kind in ("softmax", "sigmoids")

    @property
    def clusters(self) -> tuple[str, ...]:
        """Names of the clusters; none without structure."""
        return self.structure.clusters if self.structure else ()

    @property
    def trajectory(self) -> TrajectoryGraph | None:
        """The trajectory, where there is one."""
        return self.structure.trajectory if self.structure else None


def manifest_json(manifest: Manifest, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a manifest; `members` are size and hash of the other members."""
    return {"format_version": FORMAT_VERSION, **asdict(manifest), "members": dict(members)}


def read_manifest(values: Mapping[str, Any], path: Path) -> Manifest:
    """Read the manifest of format 1.

    Raises
    ------
    AtlasError
        A field is missing or malformed, or the atlas needs what this version does not have.
    """
    try:
        _refuse_newer(values, path)
        manifest: Manifest = read_typed(Manifest, values)
    except UnknownValueError as error:
        name, value = error.args
        raise _refusal("unknown_value", path, field=name, value=quoted(value)) from None
    except MalformedError as error:
        raise _malformed(path, str(error)) from None
    _check_lists(manifest, path)
    _refuse_unbuilt(manifest, path)
    return manifest


def _refusal(sentence: str, path: Path, **places: object) -> AtlasError:
    return AtlasError(say(f"format.{sentence}", atlas=path, cellport=__version__, **places))


def _malformed(path: Path, name: str) -> AtlasError:
    return _refusal("malformed", path, field=name)


def _refuse_newer(values: Mapping[str, Any], path: Path) -> None:
    """Refuse what another version wrote, before fields are looked at that it may have changed."""
    requires = read_typed(dict[str, str], values.get("requires", {}), "requires")
    oldest = values.get("minimum_runtime", "")
    for name in sorted(requires.keys() - _KNOWN):
        raise _refusal("requires", path, feature=name, since=requires[name])
    if not isinstance(oldest, str) or not _VERSION.fullmatch(oldest):
        raise _malformed(path, "minimum_runtime")
    if _version(oldest) > _version(__version__):
        raise _refusal("too_old", path, oldest=oldest)


def _check_lists(manifest: Manifest, path: Path) -> None:
    labels, graph = manifest.labels, manifest.trajectory
    lists = {
        "panel": 0 < len(manifest.panel.symbols) == len(manifest.panel.ensembl),
        "panel.other_names": len(manifest.panel.other_names) in (0, manifest.n_genes),
        "labels": len(set(labels)) == len(labels),
        "label_terms": set(manifest.label_terms) <= set(labels),
        "head": (manifest.head.kind == "none") == (not labels),
        "head.set_prob": len(manifest.head.set_prob) in (0, len(labels)),
        "head.calibration": manifest.head.calibration.information_power >= 0,
        "head.set_mass": 0 <= manifest.head.set_mass < 1,
        "answers": _decided(manifest) == _DECIDED & set(manifest.answers),
        "batches": bool(manifest.batches) or not manifest.has_reference,
        "structure": manifest.structure is None or manifest.has_reference,
        "fill": manifest.fill == "factors" or (manifest.fill == "mean") == manifest.input.centre,
        "input.target": (manifest.input.library == "none") == (manifest.input.target is None),
        "structure.clusters": len(set(manifest.clusters)) == len(manifest.clusters),
        "structure.trajectory": graph is None or _joins(graph),
    }
    for name, fits in lists.items():
        if not fits:
            raise _refusal("contradicted", path, field=name)
    build_tree(labels, manifest.parents)


def _decided(manifest: Manifest) -> set[str]:
    """Answers that come with what the manifest states, of those that it decides."""
    there = {
        "label_prob": manifest.gives_prob,
        "label_score": manifest.head.kind == "sigmoids",
        "label_distance": manifest.head.kind == "prototypes",
        "umap": manifest.has_reference,
    }
    return {name for name, is_there in there.items() if is_there}


def _joins(graph: TrajectoryGraph) -> bool:
    n = len(graph.milestones)
    ends = [*(end for edge in graph.edges for end in edge), *graph.terminals]
    known = all(end < n for end in ends) and len(set(graph.terminals)) == len(graph.terminals)
    return known and len(set(graph.milestones)) == n and bool(graph.edges and graph.terminals)


def _refuse_unbuilt(manifest: Manifest, path: Path) -> None:
    for name, built in _BUILT.items():
        value: Any = manifest
        for part in name.split("."):
            value = getattr(value, part)
        if value not in built:
            can = " or ".join(map(quoted, built))
            raise _refusal("unbuilt", path, field=name, value=quoted(value), built=can)
    for name in _NEEDED_ANSWERS:
        if name not in manifest.answers:
            raise _refusal("unanswered", path, answer=name)
    if manifest.input.target is not None and not manifest.target > 0:
        raise _malformed(path, "input.target")


def _version(stated: str) -> tuple[int, ...]:
    return tuple(int(part) for part in stated.split(".")[:3])
