"""The command line: thin commands over the Python API, each import made when it is needed."""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cellport.ctrl_c import remembered, was_pressed
from cellport.extending import extend
from cellport.questions import compare, explain, export, panel, rank
from cellport.runtime.decisions import text
from cellport.runtime.errors import CellportError
from cellport.shared import as_json_option, atlas_file, opened_atlas, show
from cellport.sharing import mcp, publish, serve

if TYPE_CHECKING:
    from cellport.runtime.convert.write import Conversion, ConvertOptions

BAD_INPUT = 2
STOPPED = 130
# commands that factor matrices; to the others numpy's threads for that are a slower start
_FACTORING = ("train", "demo", "convert", "extend")


class _Commands(click.Group):
    """A group that shows errors as one sentence, never as a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            with remembered():
                return super().invoke(context)
        except CellportError as error:
            _fail(str(error), BAD_INPUT)
        except KeyboardInterrupt as stopped:
            _fail(str(stopped) or _stopped(context.invoked_subcommand), STOPPED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if was_pressed():
                _fail(_stopped(context.invoked_subcommand), STOPPED)
            if os.environ.get("CELLPORT_DEBUG"):
                raise
            _fail(
                f"Unexpected error ({type(error).__name__}: {error}). This is a fault in cellport; "
                "please report it with the output of CELLPORT_DEBUG=1.",
                1,
            )


def _stopped(command: str | None) -> str:
    if command in ("train", "demo"):
        return (
            "Stopped; no atlas was written. Finished epochs are kept: the same command goes on "
            "from there."
        )
    return "Stopped; nothing was written."


def _fail(message: str, code: int) -> None:
    one_line = " ".join(message.splitlines())
    click.echo(click.style("Error: ", fg="red", bold=True) + one_line, err=True)
    sys.exit(code)


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from cellport.runtime.version import __version__

        click.echo(f"cellport {__version__}")
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
              help="Show the version.")  # fmt: skip
@click.pass_context
def main(context: click.Context) -> None:
    """Train a single-cell atlas once, ship it as one file, map new cells anywhere."""
    if context.invoked_subcommand not in _FACTORING and "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


for command in (compare, explain, export, extend, mcp, panel, publish, rank, serve):
    main.add_command(command)

_device = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)


@main.command()
@click.argument("reference", nargs=-1, required=True, type=click.Path())
@click.option("-o", "--out", required=True, type=click.Path(), help="The atlas file to write.")
@click.option("--labels", help="obs column with cell types; without it no labels are learned.")
@click.option("--batch", help="obs column with batches (donor, study, technology).")
@click.option("--label-tree", multiple=True, metavar="COLUMN",
              help="obs column with coarser labels to call when unsure; repeatable.")  # fmt: skip
@click.option("--ontology", type=click.Path(), help="Cell Ontology (.obo) for coarser labels.")
@click.option("--label-ids",
              help="obs column with the labels' terms in the ontology, which the atlas "
                   "keeps.")  # fmt: skip
@click.option("--other", multiple=True, metavar="LABEL",
              help="Label that is a group of others, of whose cells a type of their own is made, "
                   "'other LABEL', in place of one of these; repeatable.")  # fmt: skip
@click.option("--root", multiple=True, metavar="LABEL",
              help="Label at which a trajectory starts; repeatable.")  # fmt: skip
@click.option("--root-cell", multiple=True, metavar="NAME",
              help="Cell at which a trajectory starts; repeatable.")  # fmt: skip
@click.option("--layer", help="Where the raw counts are: X, raw, or a layer. Found by itself.")
@click.option("--genome", metavar="NAME",
              help="Of a 10x file or folder of several genomes, the one to train on.")  # fmt: skip
@click.option("--name", help="Name of the atlas; that of the file by default.")
@click.option("--source", default="", help="Where the counts came from; the files by default.")
@click.option("--authors", default="", help="Who made the reference.")
@click.option("--licence", default="", help="Terms under which the atlas is given away.")
@click.option("--attribution", default="", help="What whoever passes the atlas on has to say.")
@click.option("--limits", default="", help="What the atlas cannot do, for its card.")
@click.option("--organism", type=click.Choice(["human", "mouse"]), help="Seen from the gene names.")
@click.option("--genes", "n_genes", default=2000, show_default=True, type=click.IntRange(10))
@click.option("--keep-genes", default="", metavar="GENES",
              help="Genes that are in the panel whatever their variance: a file with a name a "
                   "line, or names parted by commas.")  # fmt: skip
@click.option("--latent", "n_latent", default=30, show_default=True, type=click.IntRange(2, 512))
@click.option("--likelihood", type=click.Choice(["nb", "zinb"]), default="nb", show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="Chosen from the number of cells.")
@click.option("--batch-size", type=click.IntRange(2), help="Chosen from the number of cells.")
@click.option("--gene-parts", default=1, show_default=True, type=click.IntRange(1, 4),
              help="Parts of the genes, of which a step asks the decoder for one: faster with many "
                   "cells a step.")  # fmt: skip
@click.option("--learning-rate", default=3e-3, show_default=True, type=click.FloatRange(1e-6, 1))
@click.option("--precision", default="32-true", show_default=True,
              type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]))  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@_device
@as_json_option
def train(reference: tuple[str, ...], out: str, as_json: bool, **settings: Any) -> None:
    """Train on the annotated counts in each REFERENCE and write one atlas file.

    A run that was stopped goes on from where it was when the same command is given again.
    Several processes or cards: torchrun --nproc-per-node N -m cellport train ...
    """
    from cellport import screen
    from cellport.runtime.base.extras import require

    require("train", "Training")
    from cellport.runtime.mapping.annotate.corrected import names_or_file
    from cellport.train.api import train_atlas
    from cellport.train.fit.processes import is_first

    settings["keep_genes"] = names_or_file(settings["keep_genes"])
    # the thread that makes minibatches comes back for the interpreter, and would wait 5 ms for it
    sys.setswitchinterval(0.0005)
    if not is_first():
        train_atlas(list(reference), out, **settings)
        return
    with screen.training() as on_progress:
        path = train_atlas(list(reference), out, on_progress=on_progress, **settings)
    from cellport.runtime.atlas.file import open_atlas_file

    show(open_atlas_file(path), as_json, screen.atlas, _info)


@main.command()
@click.argument("model", type=click.Path())
@click.option("-o", "--out", required=True, type=click.Path(), help="The atlas file to write.")
@click.option("--name", default="", help="Name of the atlas; that of the model's file by default.")
@click.option("--organism", type=click.Choice(["human", "mouse"]), help="Seen from the gene names.")
@click.option("--source", default="", help="Where the model comes from.")
@click.option("--authors", default="", help="Who made the model.")
@click.option("--licence", default="", help="Terms under which the model may be passed on.")
@click.option("--attribution", default="", help="What whoever passes it on has to say.")
@click.option("--as-batch", metavar="NAME",
              help="For an encoder that asks for a batch: the one that all cells are said to be "
                   "of; the mean of all by default.")  # fmt: skip
@click.option("--reference", multiple=True, type=click.Path(), metavar="FILE",
              help="Counts of reference cells, to calibrate labels and for novelty, neighbours, "
                   "clusters and the map; repeatable.")  # fmt: skip
@click.option("--labels", help="obs column of the reference with labels called as the model's.")
@click.option("--batch", help="obs column of the reference with batches (donor, study).")
@click.option("--label-tree", multiple=True, metavar="COLUMN",
              help="obs column with coarser labels to call when unsure; repeatable.")  # fmt: skip
@click.option("--ontology", type=click.Path(), help="Cell Ontology (.obo) for coarser labels.")
@click.option("--label-ids", help="obs column with the labels' terms in the ontology.")
@click.option("--compare-own", is_flag=True,
              help="Train an atlas on the reference too, and tell how both do on cells held out of "
                   "both. Takes minutes.")  # fmt: skip
@click.option("--layer", help="Where the reference's raw counts are; found by itself.")
@click.option("--genome", metavar="NAME",
              help="Of a 10x file or folder of several genomes, the one to take.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@as_json_option
def convert(
    model: str, out: str, reference: tuple[str, ...], as_json: bool, **settings: Any
) -> None:
    """Make an atlas of a published MODEL: of CellTypist, scvi-tools, scPoli, SCimilarity.

    MODEL is the file or folder as its tool saved it, or a name that cellport pull takes, such as
    celltypist:NAME. It is read as data; nothing in it is run.
    """
    from cellport import screen
    from cellport.runtime.atlas.file import open_atlas_file
    from cellport.runtime.base.extras import require
    from cellport.runtime.base.files import check_place
    from cellport.runtime.convert.write import ConvertOptions, write_conversion

    names = ("labels", "batch", "label_tree", "ontology", "label_ids", "layer", "genome", "seed",
             "compare_own")  # fmt: skip
    of_reference = {name: settings.pop(name) for name in names}
    options = ConvertOptions(**{k: value for k, value in settings.items() if value is not None})
    check_place(out, [model, *reference])
    if reference:
        require("train", "Fitting to reference cells")
        from cellport.train.attach.api import ReferenceOptions, attach_reference

        how = ReferenceOptions(**of_reference)
        read = _model(model, options)
        with screen.training("fitting") as on_progress:
            made = attach_reference(read, out, list(reference), how, on_progress=on_progress)
    elif any(of_reference.values()):
        raise click.UsageError("--labels, --batch and their like belong to --reference.")
    else:
        made = write_conversion(_model(model, options), out)
    screen.converted(made)
    show(open_atlas_file(made.path), as_json, screen.atlas, _info)


def _model(model: str, options: ConvertOptions) -> Conversion:
    """Model on its way to an atlas; where it has to be fetched, that is shown."""
    from cellport import screen
    from cellport.runtime.convert.write import prepare_conversion
    from cellport.runtime.fetch.model_name import is_model_name, read_model_name
    from cellport.runtime.fetch.published import prepare_published

    if not is_model_name(model) or Path(model).exists():
        return prepare_conversion(model, options)
    with screen.fetching() as on_progress:
        return prepare_published(read_model_name(model), options, on_progress)


@main.command("map")
@click.argument("atlas", type=click.Path())
@click.argument("query", nargs=-1, required=True, type=click.Path())
@click.option("-o", "--out", required=True, type=click.Path(),
              help="Result: .h5ad, .zarr, .csv, .csv.gz, .tsv or .parquet.")  # fmt: skip
@click.option("--layer", help="Where the raw counts are: X, raw, or a layer. Found by itself.")
@click.option("--genome", metavar="NAME",
              help="Of a 10x file or folder of several genomes, the one to map.")  # fmt: skip
@_device
@click.option("--threads", type=click.IntRange(1), help="Processors to use; all by default.")
@click.option("--block-cells", default=2048, show_default=True, type=click.IntRange(1),
              help="Most cells in memory at a time.")  # fmt: skip
@click.option("--minimum-genes", default=0.2, show_default=True, type=click.FloatRange(0, 1),
              help="Refuse a query with a smaller share of the atlas's genes.")  # fmt: skip
@click.option("--any-organism", is_flag=True,
              help="Map even when the gene names look like another organism's.")  # fmt: skip
@click.option("--orthologs", is_flag=True,
              help="Map mouse cells onto a human atlas, or the other way round, by one-to-one "
                   "orthologs.")  # fmt: skip
@click.option("--rescale-genes", is_flag=True,
              help="Put each gene on the atlas's scale by its mean and spread over the query, as "
                   "targeted panels need it; each answer then depends on all cells.")  # fmt: skip
@click.option("--fractional-counts", "allow_fractional", is_flag=True,
              help="Take counts with fractions (RSEM, ambient-corrected) as counts.")  # fmt: skip
@click.option("--neighbors", default=0, type=click.IntRange(0),
              help="Name so many nearest reference cells of each cell.")  # fmt: skip
@click.option("--several-labels", is_flag=True,
              help="Name all labels with a probability above one half, or none: for atlases that "
                   "judge each label by itself, as those made of CellTypist models.")  # fmt: skip
@click.option("--probabilities", is_flag=True,
              help="Add the probability of every label, and labels at each level of the atlas's "
                   "tree with theirs.")  # fmt: skip
@click.option("--also", multiple=True, metavar="ATLAS",
              help="Another atlas to map onto in the same pass: adds its labels, and what all "
                   "atlases say together; repeatable.")  # fmt: skip
@click.option("--merge-labels", is_flag=True,
              help="Put labels together that the genes of QUERY cannot tell apart, and add the "
                   "group of each cell's label.")  # fmt: skip
@click.option("--cell-ontology", is_flag=True,
              help="Add the term of the Cell Ontology that each cell's call is.")  # fmt: skip
@click.option("--crosswalk", type=click.Path(), metavar="FILE",
              help="The same, with a table of your labels and terms: .csv or .tsv.")  # fmt: skip
@click.option("--ontology", type=click.Path(), metavar="FILE",
              help="The same, by another ontology (.obo) than the one that comes with "
                   "cellport.")  # fmt: skip
@click.option("--cellxgene", is_flag=True,
              help="The same, with the column called as in the schema of CELLxGENE.")  # fmt: skip
@click.option("--groups", metavar="COLUMN|auto",
              help="Add the label of most cells of each cell's group: obs column with your "
                   "clusters, or auto. Reads the file twice. " + text("groups.cost"))  # fmt: skip
@click.option("--novel-groups", is_flag=True,
              help="Add the number of each cell's group of cells unlike the atlas, as the report "
                   "tells of these. Reads the file twice; one file.")  # fmt: skip
@click.option("--with-counts", is_flag=True, help="Copy the counts into the .h5ad too.")
@click.option("--report", type=click.Path(), help="Write a page to read in a browser: .html.")
@click.option("--lineage-genes", type=click.Path(),
              help="Write how genes change along each lineage: .csv or .tsv.")  # fmt: skip
@click.option("--corrected-expression", default="", metavar="GENES",
              help="Add the expression of these genes, freed from batches: names with commas "
                   "between, or a file with one a line.")  # fmt: skip
@click.option("--corrected-batch", metavar="NAME",
              help="As if all cells came from this batch; the mean of all by default.")  # fmt: skip
@click.option("--pseudobulk", default="", metavar="COLUMNS",
              help="Sum the counts of all genes by these columns, of the query's obs or of the "
                   "result, with commas between: sample,cellport_call. Written beside OUT, as "
                   "OUT.pseudobulk.h5ad without OUT's ending, for cellport compare.")  # fmt: skip
@click.option("--dask", "cluster", metavar="local|ADDRESS",
              help="Map on a Dask cluster; the result is a folder of Parquet files.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1),
              help="Processes of --dask local; one a processor by default.")  # fmt: skip
@click.option("--part-cells", type=click.IntRange(1),
              help="Cells a file of that folder; 50,000 by default.")  # fmt: skip
@as_json_option
def map_(
    atlas: str,
    query: tuple[str, ...],
    out: str,
    cluster: str | None,
    workers: int | None,
    part_cells: int | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Map the cells of each QUERY onto ATLAS and write the result."""
    if not cluster and (workers or part_cells):
        raise click.UsageError("--workers and --part-cells belong to --dask.")
    # modules that are being loaded leave nothing to collect, and none of them goes again
    gc.disable()
    from cellport import screen
    from cellport.runtime.map_files import map_files
    from cellport.runtime.mapping.atlas import Atlas
    from cellport.runtime.mapping.options import MapOptions

    gc.freeze()
    gc.enable()
    # threads that inflate come back for the interpreter every 0.1 ms, and would wait 5 for it
    sys.setswitchinterval(0.0005)
    opened = Atlas(opened_atlas(atlas))
    screen.warm_up()
    beside = {name: settings.pop(name) for name in ("with_counts", "report", "lineage_genes")}
    options = MapOptions(**settings)
    if cluster:
        from cellport.on_cluster import map_on_cluster

        summary = map_on_cluster(
            opened, query, out, options, cluster, workers, part_cells, **beside
        )
    else:
        with screen.mapping() as view:
            steps: dict[str, Any] = {"on_start": view.started, "on_progress": view.cells}
            summary = map_files(opened, query, out, options, **steps, **beside)
    show(summary, as_json, screen.mapped)


@main.command()
@click.argument("atlas", type=click.Path())
@as_json_option
def info(atlas: str, as_json: bool) -> None:
    """Show what is in an atlas file."""
    from cellport import screen

    show(opened_atlas(atlas), as_json, screen.atlas, _info)


@main.command()
@click.argument("atlas", type=click.Path())
@_device
@as_json_option
def verify(atlas: str, device: Any, as_json: bool) -> None:
    """Prove that this machine computes the answers ATLAS was published with."""
    from cellport import screen
    from cellport.runtime.atlas.file import open_atlas_file
    from cellport.runtime.mapping.verify import verify_atlas

    checks = verify_atlas(open_atlas_file(atlas_file(atlas), whole=True), device)
    passed = all(check.passed for check in checks)
    rows = [{**asdict(check), "passed": check.passed} for check in checks]
    show(checks, as_json, screen.verified, lambda _: {"passed": passed, "checks": rows})
    if not passed:
        sys.exit(1)


@main.command()
@click.argument("atlas")
@click.option("-o", "--out", type=click.Path(), help="Copy it here too: a file or a folder.")
@click.option("--sha256", help="What the SHA-256 of the fetched file must be.")
@click.option("--refresh", is_flag=True, help="Ask the address again although it is here.")
@as_json_option
def pull(atlas: str, as_json: bool, **settings: Any) -> None:
    """Fetch ATLAS, a name or an http(s) address, check it and keep it for offline use.

    A name is one that cellport atlases lists; celltypist:NAME, a model of CellTypist; or
    hf:OWNER/REPO, hf:OWNER/REPO@REVISION/FOLDER, a model on the Hugging Face hub, where HF_TOKEN
    lets you in if its makers ask for it. An address is that of a .cellport file or of a site that
    cellport publish wrote.

    A model of another tool is converted once, as cellport convert does. All commands take these
    names in place of a file.
    """
    from cellport import screen
    from cellport.runtime.fetch.pull import pull as pull_atlas

    with screen.fetching() as on_progress:
        pulled = pull_atlas(atlas, on_progress=on_progress, **settings)
    show(pulled, as_json, screen.pulled)


@main.command()
@as_json_option
def atlases(as_json: bool) -> None:
    """List the atlases known by name, without asking anybody.

    Shipped ones, published models that were fetched, and the models of CellTypist once one of them
    was.
    """
    from cellport import screen
    from cellport.runtime.fetch.listing import list_atlases

    known = list_atlases()
    rows = [{**asdict(entry), "here": here} for entry, here in known]
    show(known, as_json, screen.known, lambda _: rows)


@main.command()
def warmup() -> None:
    """Compile the kernels now, so that the first mapping need not wait for it."""
    from cellport import screen
    from cellport.kernels.machine_code import warmup as compile_kernels

    screen.say(f"Kernels are ready ({compile_kernels():.1f} s).")


@main.command()
@click.option("-o", "--out", default="cellport-demo", show_default=True, type=click.Path())
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@as_json_option
def demo(out: str, seed: int, as_json: bool) -> None:
    """Train on real lung cells, map those of another technology, and draw them."""
    from cellport import screen
    from cellport.runtime.base.extras import require

    require("train", "Training")
    from cellport.demo import run_demo

    result = run_demo(Path(out), seed, screen.training, screen.say)
    show(result, as_json, screen.demo)


def _info(atlas: Any) -> dict[str, Any]:
    return {
        "path": str(atlas.path),
        "sha256": atlas.sha256,
        "format_version": atlas.format_version,
        **asdict(atlas.manifest),
        # the genes also where scripts have always found them
        **asdict(atlas.manifest.panel),
        "members": atlas.members,
    }
