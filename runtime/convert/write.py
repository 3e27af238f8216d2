"""A model of another tool as an atlas file, checked against the model before it is written."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.assumed import describe_batch, describe_labels, describe_own
from cellport.runtime.atlas.file import npy_bytes, write_atlas_file
from cellport.runtime.atlas.manifest import (
    AssumedBatch,
    Calibration,
    Head,
    Manifest,
    Provenance,
    Thresholds,
)
from cellport.runtime.atlas.session import TOLERANCE, largest_difference, open_session
from cellport.runtime.base.files import Place, check_place
from cellport.runtime.convert.batches import assumed_batch
from cellport.runtime.convert.card import write_card
from cellport.runtime.convert.forward import (
    celltypist_answers,
    scimilarity_answers,
    scpoli_answers,
    scvi_answers,
)
from cellport.runtime.convert.graphs import (
    answer_names,
    decoder_graph,
    encoder_graph,
    tail_graph,
)
from cellport.runtime.convert.models.celltypist import CellTypistModel
from cellport.runtime.convert.models.recognise import Model, read_model
from cellport.runtime.convert.models.scimilarity import ScimilarityModel
from cellport.runtime.convert.models.scpoli import ScPoliModel
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.convert.network import BatchChoice, Network, choose_batch, network_of
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.genes.gene_table import other_names
from cellport.runtime.genes.organism import infer_organism
from cellport.runtime.version import __version__

# those of a trained atlas (train/export/manifest.py), which have to do with cells alone
_THRESHOLDS = Thresholds(
    low_depth=100.0, low_gene_coverage=0.6, novelty_p=0.05, set_level=0.9, call_prob=0.5
)
_CANARIES = 8
_LONGEST_NAME = 200  # a file that is called so can be written


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """What a model's file does not say, or is to be said otherwise.

    Attributes
    ----------
    name
        Of the atlas; that of the file when empty.
    organism
        ``human`` or ``mouse``; told by the gene names when empty.
    source, authors, licence, attribution
        Where the model comes from, who made it, under which terms it may be passed on, and what
        whoever does that has to say.
    as_batch
        For an encoder that asks for a batch: one of its batches, or weights of several; all alike
        when None.
    """

    name: str = ""
    organism: str = ""
    source: str = ""
    authors: str = ""
    licence: str = ""
    attribution: str = ""
    as_batch: str | Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Converted:
    """An atlas that was made of a model.

    Attributes
    ----------
    path
        The atlas file.
    sha256
        Its hash.
    manifest
        What it says of itself.
    difference
        Largest difference of its answers from the model's, on made-up cells.
    said
        What reference cells told, a sentence each.
    """

    path: Path
    sha256: str
    manifest: Manifest
    difference: float
    said: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever made it should know, a sentence each."""
        m, notes = self.manifest, list(self.said)
        if compared := m.provenance.training.get("own_atlas"):
            notes.append(describe_own(compared))
        if m.labels and not m.head.set_prob:
            notes.append(describe_labels(m))
        if m.assumed_batch is not None:
            notes.append(f"As the batch of a cell, {describe_batch(m.assumed_batch)}.")
        if covariates := m.provenance.training.get("covariates"):
            notes.append(f"As further covariates of a cell, {covariates}.")
        if not m.provenance.licence:
            notes.append(
                "No licence is stated. Ask the model's makers before you pass the atlas on; "
                "cellport convert --licence says it."
            )
        return tuple(notes)


@dataclass(frozen=True, slots=True)
class Conversion:
    """A model on its way to an atlas: read, checked, and not yet written."""

    model: Model
    network: Network
    manifest: Manifest
    members: dict[str, bytes]
    difference: float  # as of `Converted`
    cells: Path | None = None  # that lie beside the model, as scvi-tools saves them


def convert_model(model: Place, out: Place, options: ConvertOptions | None = None) -> Converted:
    """Make an atlas of a published model of CellTypist, scvi-tools, scPoli or SCimilarity.

    The model's file is read as data: nothing in it is executed. What the atlas answers on a few
    made-up cells is compared with what the model's arithmetic gives in plain float64.

    Parameters
    ----------
    model
        A CellTypist model (``.pkl``); an SCVI or SCANVI model (``model.pt``, or the folder that
        ``save`` made, of any version); the folder of scPoli or SCimilarity.
    out
        The ``.cellport`` file to write; replaced when it exists.
    options
        What the file does not say.

    Returns
    -------
    Converted
        The atlas, and how far its answers are from the model's.

    Raises
    ------
    InputError
        The file is no model that can be converted, with what to do instead; or it is damaged.
    OutputError
        The atlas cannot be written there.
    MissingDependencyError
        onnx or onnxruntime is not installed.

    Examples
    --------
    >>> cellport.convert_model("Immune_All_Low.pkl", "immune.cellport")  # doctest: +SKIP
    """
    how = options or ConvertOptions()
    check_place(out, [model])
    made = prepare_conversion(model, how)
    return write_conversion(made, out)


def write_conversion(
    made: Conversion, out: Place, said: tuple[str, ...] | None = None
) -> Converted:
    """Write the atlas file, with its card; `said` is what reference cells told, if there are any.

    Raises
    ------
    OutputError
        The atlas cannot be written there.
    """
    members = {"README.md": write_card(made.manifest).encode()} | made.members
    sha256 = write_atlas_file(out, made.manifest, members)
    if said is None:
        said = () if made.cells is None else (say("convert.cells_beside", cells=made.cells),)
    return Converted(Path(out), sha256, made.manifest, made.difference, said)


def prepare_conversion(model: Place, how: ConvertOptions) -> Conversion:
    """Make the parts of an atlas of a published model, as `convert_model` does.

    Raises
    ------
    InputError
        The file is no model that can be converted, or it is damaged.
    MissingDependencyError
        onnx or onnxruntime is not installed.
    """
    _check_options(how)
    found = read_model(model)
    batch = choose_batch(found, how.as_batch)
    network = network_of(found, batch)
    manifest = _manifest(found, network, assumed_batch(found, batch), how, Path(model))
    members, difference = _members(found, network, batch, str(model))
    return Conversion(found, network, manifest, members, difference, _cells_beside(Path(model)))


def _cells_beside(model: Path) -> Path | None:
    """Return the cells that ``save(save_anndata=True)`` of scvi-tools put beside a model."""
    folder = model if model.is_dir() else model.parent
    prefix = "" if model.is_dir() else model.name.removesuffix("model.pt")
    cells = folder / f"{prefix}adata.h5ad"
    return cells if cells.is_file() else None


def _check_options(how: ConvertOptions) -> None:
    if how.organism not in ("", "human", "mouse"):
        raise InputError(say("convert.bad_organism", organism=how.organism))
    if len(how.name) > _LONGEST_NAME:
        raise InputError(say("convert.bad_name", most=_LONGEST_NAME, found=len(how.name)))


def _manifest(
    model: Model,
    network: Network,
    assumed: AssumedBatch | None,
    how: ConvertOptions,
    path: Path,
) -> Manifest:
    panel = network.panel
    organism = how.organism or infer_organism(panel.symbols) or infer_organism(panel.ensembl)
    has_decoder = _decodes(model)
    return Manifest(
        name=how.name or _name_of(path),
        organism=organism or "",
        panel=replace(panel, other_names=other_names(panel, organism or "")),
        input=network.input,
        fill=network.fill,
        n_latent=network.n_latent,
        answers=answer_names(network),
        labels=network.labels,
        parents={},
        head=Head(network.head, Calibration("none")),
        batches=model.batches if isinstance(model, ScviModel) and has_decoder else (),
        thresholds=_THRESHOLDS,
        structure=None,
        held_out=None,
        provenance=_provenance(model, how, path),
        assumed_batch=assumed,
    )


def _name_of(path: Path) -> str:
    """Return a file's name, or its folder's where all files of the tool are called the same."""
    called = path.name if path.is_dir() else path.stem
    same = called in ("model", "model_params", "attr", "encoder")
    return (path.resolve().parent.name if same else called) or "atlas"


def _provenance(model: Model, how: ConvertOptions, path: Path) -> Provenance:
    told: dict[str, Any] = {}
    kind, cells = "SCimilarity", 0
    if isinstance(model, CellTypistModel):
        told, kind = model.description, f"CellTypist ({model.classifier})"
        if model.scikit_learn:
            kind += f", saved by scikit-learn {model.scikit_learn}"
    elif isinstance(model, ScviModel):
        kind, cells = f"{model.kind} of scvi-tools {model.scvi_version}".rstrip(), model.cells or 0
    elif isinstance(model, ScPoliModel):
        kind, cells = "scPoli", model.cells or 0
        if len(model.levels) > 1:
            kind += f", labels of {max(model.levels, key=lambda one: len(one[1]))[0]}"
    source = " ".join(str(told[key]) for key in ("details", "source", "url") if told.get(key))
    return Provenance(
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        made_by=f"cellport {__version__}",
        cells=cells,
        source=how.source or source,
        authors=how.authors,
        licence=how.licence,
        attribution=how.attribution,
        converted_from=f"{kind}: {path.name}",
        training={"note": "converted, not retrained", **_covariates(model)},
    )


def _covariates(model: Model) -> dict[str, str]:
    """Say what stands for what else the encoder takes beside counts and the batch."""
    if not (isinstance(model, ScviModel) and model.encoder_takes_covariates):
        return {}
    names = [name for name, levels in model.categories if len(levels) > 1]
    parts = [f"{', '.join(names)}: all levels alike"] if names else []
    if model.continuous:
        parts.append(f"{', '.join(model.continuous)}: 0, for the model does not tell their means")
    return {"covariates": "; ".join(parts)}


def _decodes(model: Model) -> bool:
    """Whether there are counts to expect of a latent, which add up to a library."""
    return (
        isinstance(model, ScviModel)
        and model.decoder is not None
        and model.decoder.share_activation == "softmax"
        and bool(model.batches)
    )


def _members(
    model: Model, network: Network, batch: BatchChoice, title: str
) -> tuple[dict[str, bytes], float]:
    """Graphs and arrays of the atlas, by member name, and how far they are from the model."""
    counts, library = canary_cells(network)
    graph = encoder_graph(network)
    session = open_session(graph, "encoder.onnx", device="cpu")
    names = answer_names(network)
    inputs = {"counts": counts}
    arrays: dict[str, NDArray[Any]] = {
        "basis": network.first.weight.T,
        "canary_counts": counts,
    }
    if network.input.library == "query":
        inputs["library"] = library[:, np.newaxis]
        arrays["canary_library"] = library
    if network.mean is not None:
        arrays["gene_mean"] = network.mean
    if network.cap is not None:
        arrays["gene_cap"] = network.cap
    answers = dict(zip(names, session.run(list(names), inputs), strict=True))
    difference = _compared(model, network, batch, session, inputs, title)
    arrays |= {f"canary_{name}": values for name, values in answers.items()}
    members = {"encoder.onnx": graph, "encoder_tail.onnx": tail_graph(network)}
    if isinstance(model, ScviModel) and model.decoder is not None and _decodes(model):
        sizes = {
            "latent": network.n_latent,
            "batch": len(model.batches),
            "counts": len(model.genes),
        }
        members["decoder.onnx"] = decoder_graph(model.decoder, model.batch_embedding, sizes)
    for name, values in arrays.items():
        members[f"arrays/{name}.npy"] = npy_bytes(values.astype(np.float32))
    return members, difference


def canary_cells(network: Network) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make up counts, float32 [8, genes], and their sums over these and some other genes [8]."""
    rng = np.random.default_rng(0)
    n = network.panel.n_genes
    rates = rng.gamma(0.3, 1.0, (_CANARIES, n))
    rates *= np.geomspace(300, 20_000, _CANARIES)[:, np.newaxis] / rates.sum(1, keepdims=True)
    counts = rng.poisson(rates).astype(np.float32)
    own = network.panel.representative
    library = counts[:, own == np.arange(n)].sum(axis=1) + rng.integers(0, 3000, _CANARIES)
    return counts[:, own], library.astype(np.float32)


def _compared(
    model: Model,
    network: Network,
    batch: BatchChoice,
    session: Any,
    inputs: dict[str, NDArray[np.float32]],
    title: str,
) -> float:
    """Compare the graph with plain numpy, with all genes and with a third of them missing.

    Raises
    ------
    InputError
        They differ by more than machines may.
    """
    worst = 0.0
    n_genes = network.panel.n_genes
    names = answer_names(network)
    for measured in (np.ones(n_genes, np.bool_), network.panel.representative % 3 != 0):
        counts = np.where(measured, inputs["counts"], np.nan).astype(np.float32)
        found = session.run(list(names), {**inputs, "counts": counts})
        expected = _expected(model, network, batch, inputs, measured)
        for name, values in zip(names, found, strict=True):
            worst = max(worst, largest_difference(values, expected[name].astype(np.float32)))
    if not worst <= TOLERANCE:
        raise InputError(say("convert.not_verified", title=title, difference=worst))
    return worst


def _expected(
    model: Model,
    network: Network,
    batch: BatchChoice,
    inputs: dict[str, NDArray[np.float32]],
    measured: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    """Return what the model answers, by `forward`, which knows nothing of `network`."""
    genes = np.array(model.genes, object)[measured].tolist()
    counts = inputs["counts"].astype(np.float64)
    if isinstance(model, CellTypistModel):
        # of genes of one name the first counts, in the library too
        own = network.panel.representative == np.arange(len(measured))
        listed = counts[:, measured] * own[measured]
        rest = inputs["library"].astype(np.float64) - listed.sum(1, keepdims=True)
        whole = np.column_stack([listed, rest])
        score, prob = celltypist_answers(model, whole, [*genes, "\0rest"])
        return {"latent": score, "label_score": score, "label_prob": prob}
    counts = counts[:, measured]
    if isinstance(model, ScimilarityModel):
        return {"latent": scimilarity_answers(model, counts, genes)}
    weights = np.array(batch.weights) if batch.batches else None
    if isinstance(model, ScPoliModel):
        return _expected_of_scpoli(model, network, counts, genes, weights)
    latent, scvi_prob = scvi_answers(model, counts, genes, weights)
    return {"latent": latent} | ({} if scvi_prob is None else {"label_prob": scvi_prob})


def _expected_of_scpoli(
    model: ScPoliModel,
    network: Network,
    counts: NDArray[np.float64],
    genes: list[str],
    weights: NDArray[np.float64] | None,
) -> dict[str, NDArray[np.float64]]:
    given = None
    if weights is not None:
        others = (len(one.levels) for one in model.conditions[1:])
        given = [weights, *(np.full(n, 1 / n) for n in others)]
    latent, distances = scpoli_answers(model, counts, genes, given)
    if distances is None:
        return {"latent": latent}
    asked = [model.labels.index(label) for label in network.labels]
    return {"latent": latent, "label_distance": distances[:, asked]}
