"""Commands on queries and results: which atlas fits, why this label, what differs, export."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from cellport.shared import as_json_option, atlas_file, opened_atlas, show


@click.command()
@click.argument("query", type=click.Path())
@click.argument("atlas", nargs=-1, type=click.Path())
@click.option("--layer", help="Where the raw counts are: X, raw, or a layer. Found by itself.")
@click.option("--genome", metavar="NAME",
              help="Of a 10x file or folder of several genomes, the one to map.")  # fmt: skip
@click.option("--fractional-counts", "allow_fractional", is_flag=True,
              help="Accept numbers that are not whole, such as expected counts.")  # fmt: skip
@click.option("--minimum-genes", default=0.2, show_default=True, type=click.FloatRange(0, 1),
              help="Refuse atlases of whose genes the query has fewer.")  # fmt: skip
@as_json_option
def rank(query: str, atlas: tuple[str, ...], as_json: bool, **settings: Any) -> None:
    """Rank atlases by how well the cells of QUERY fit them.

    Each ATLAS is a file, a folder of .cellport files, a name or an address; without any, all are
    asked that are here. Some 2,000 cells of the query are read, once.
    """
    from cellport import screen
    from cellport.runtime.mapping.options import MapOptions
    from cellport.runtime.rank import rank_atlases

    with screen.asking() as on_atlas:
        found = rank_atlases(query, atlas, MapOptions(**settings), on_atlas)
    show(found, as_json, screen.ranked, lambda fits: [asdict(fit) for fit in fits])


@click.command()
@click.argument("atlas", type=click.Path())
@click.argument("genes", type=click.Path())
@click.option("--depth", type=click.FloatRange(0, min_open=True),
              help="Counts of a cell over these genes. Those of the query; of a list, its share of "
                   "1,000 over the genes of the atlas.")  # fmt: skip
@click.option("-n", "--wanted", default=10, show_default=True, type=click.IntRange(0),
              help="Most genes to name whose addition would help.")  # fmt: skip
@click.option("--any-organism", is_flag=True,
              help="Take gene names that look like another organism's.")  # fmt: skip
@as_json_option
def panel(atlas: str, genes: str, as_json: bool, **settings: Any) -> None:
    """Tell which labels of ATLAS these GENES can tell apart, before anything is measured.

    GENES is a .txt file of names, one a line, or a query that has them. Cells are made up from the
    atlas as these genes would count them, and labelled as those of a query are.
    """
    from cellport import screen
    from cellport.runtime.mapping.atlas import Atlas
    from cellport.runtime.outlook import panel_outlook

    found = panel_outlook(Atlas(opened_atlas(atlas)), genes, **settings)
    show(found, as_json, screen.outlook)


@click.command()
@click.argument("atlas", type=click.Path())
@click.argument("query", type=click.Path())
@click.option("-o", "--out", type=click.Path(), help="Table of all genes named: .csv or .tsv.")
@click.option("--cells", multiple=True, metavar="NAME",
              help="A cell to tell by itself, in place of the types; repeatable.")  # fmt: skip
@click.option("--labels", multiple=True, metavar="LABEL",
              help="Of types, this one alone; of cells, why they may be this one; "
                   "repeatable.")  # fmt: skip
@click.option("-n", "--genes", default=10, show_default=True, type=click.IntRange(1),
              help="Most genes to name of each.")  # fmt: skip
@click.option("--layer", help="Where the raw counts are: X, raw, or a layer. Found by itself.")
@click.option("--genome", metavar="NAME",
              help="Of a 10x file or folder of several genomes, the one to map.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), help="Processors to use; all by default.")
@click.option("--minimum-genes", default=0.2, show_default=True, type=click.FloatRange(0, 1),
              help="Refuse a query with a smaller share of the atlas's genes.")  # fmt: skip
@click.option("--any-organism", is_flag=True,
              help="Map even when the gene names look like another organism's.")  # fmt: skip
@click.option("--fractional-counts", "allow_fractional", is_flag=True,
              help="Take counts with fractions (RSEM, ambient-corrected) as counts.")  # fmt: skip
@as_json_option
def explain(
    atlas: str,
    query: str,
    out: str | None,
    cells: tuple[str, ...],
    labels: tuple[str, ...],
    genes: int,
    as_json: bool,
    **settings: Any,
) -> None:
    """Name the genes by which the cells of QUERY were given their labels on ATLAS.

    Of each type, those that added most to the odds of the label against all others, what they add
    against the next label, and how probable the label is without their counts.
    """
    from cellport import screen
    from cellport.runtime.base.text_table import check_table
    from cellport.runtime.explain import explain as explain_query
    from cellport.runtime.mapping.atlas import Atlas

    opened = Atlas(opened_atlas(atlas))
    if out is not None:
        check_table(out, [query, opened.file.path])
    screen.warm_up()
    with screen.mapping() as view:
        steps: dict[str, Any] = {"on_start": view.started, "on_progress": view.cells}
        asked: dict[str, Any] = {"cells": cells, "labels": labels, "genes": genes}
        found = explain_query(opened, query, **asked, **steps, **settings)
    if out is not None:
        found.write(out)
    show(found, as_json, screen.explained)


@click.command()
@click.argument("mapped", type=click.Path())
@click.option("--loupe", type=click.Path(), metavar="DIR",
              help="Folder for a CSV a grouping, to import into 10x Loupe Browser.")  # fmt: skip
@click.option("--xenium", type=click.Path(), metavar="DIR",
              help="Folder for a CSV a grouping, to import into 10x Xenium Explorer.")  # fmt: skip
@click.option("--cell-browser", type=click.Path(), metavar="DIR",
              help="Folder for cbBuild of the UCSC Cell Browser; it needs counts.")  # fmt: skip
@click.option("--excel", type=click.Path(), metavar="FILE",
              help="A summary as an Excel file, .xlsx.")  # fmt: skip
@click.option("--by", multiple=True, metavar="COLUMN",
              help="Column that puts cells into groups; calls, labels, clusters and cells unlike "
                   "the atlas by default; repeatable.")  # fmt: skip
@click.option("--sample", metavar="COLUMN",
              help="Column that tells samples apart in the Excel file, of MAPPED or of --counts; "
                   "the files that were mapped by default.")  # fmt: skip
@click.option("--counts", multiple=True, type=click.Path(), metavar="QUERY",
              help="File that was mapped, for its counts and columns; repeatable, in the same "
                   "order. Not needed where cellport map had --with-counts.")  # fmt: skip
@click.option("--atlas", type=click.Path(),
              help="The atlas that was mapped on, for its card in the Excel file.")  # fmt: skip
@as_json_option
def export(mapped: str, as_json: bool, atlas: str | None, **settings: Any) -> None:
    """Write MAPPED, an .h5ad of cellport map, as files of the tools that you use next."""
    from cellport import screen
    from cellport.runtime.export.api import export as export_mapped

    place = None if atlas is None else atlas_file(atlas)
    show(export_mapped(mapped, atlas=place, **settings), as_json, screen.exported)


@click.command()
@click.argument("mapped", nargs=-1, required=True, type=click.Path())
@click.option("--condition", required=True, metavar="COLUMN",
              help="Column of conditions: of MAPPED, of --counts, or of --samples.")  # fmt: skip
@click.option("--sample", metavar="COLUMN",
              help="Column that tells samples apart; of several files each is one.")  # fmt: skip
@click.option("--reference-level", metavar="NAME",
              help="Condition that the others are compared with; the one called control, healthy "
                   "or the like, or the first by name.")  # fmt: skip
@click.option("--pairs", metavar="COLUMN",
              help="Column of what samples are compared within, as patients before and after; also "
                   "given as --sample, each condition of a patient is a sample.")  # fmt: skip
@click.option("--batch", metavar="COLUMN", help="Column of batches of samples, to be held even.")
@click.option("--type", metavar="COLUMN",
              help="Column of MAPPED by which expression is compared; its calls.")  # fmt: skip
@click.option("--counts", multiple=True, type=click.Path(), metavar="QUERY",
              help="File that was mapped, for its counts and columns; repeatable. Not needed where "
                   "cellport map had --pseudobulk.")  # fmt: skip
@click.option("--samples", type=click.Path(), metavar="TABLE",
              help="Table, .csv or .tsv, with a line a sample, its name first.")  # fmt: skip
@click.option("-o", "--out", required=True, type=click.Path(), help="Folder for the tables.")
@click.option("--report", is_flag=True, help="Write a page to read in a browser: report.html.")
@click.option("--figures", type=click.Path(), metavar="DIR",
              help="Folder for each picture as SVG and PNG, and its table as CSV.")  # fmt: skip
@as_json_option
def compare(mapped: tuple[str, ...], condition: str, as_json: bool, **settings: Any) -> None:
    """Compare conditions in what cellport map wrote: composition, and expression of each type.

    Every sample is one observation, however many cells it has. With too few samples there is no
    p-value but a sentence of what is needed.
    """
    from cellport import screen
    from cellport.runtime.compare.api import compare as compare_conditions

    found = compare_conditions(list(mapped), condition, **settings)
    show(found, as_json, screen.compared, _compared)


def _compared(found: Any) -> dict[str, Any]:
    return {
        "samples": asdict(found.study.samples),
        "notes": list(found.notes),
        "composition": [asdict(change) for change in found.composition],
        "expression": [
            {
                "type": one.type,
                "reference": one.reference,
                "level": one.level,
                "samples": list(one.samples),
                "genes": None if one.genes is None else len(one.genes),
                "changed": one.significant,
                "note": one.note,
            }
            for one in found.expression
        ],
    }
