"""Snakemake wrapper of ``cellport map``."""

__author__ = "The cellport developers"
__copyright__ = "Copyright 2026, The cellport developers"
__license__ = "BSD-3-Clause"

from shlex import quote

from snakemake.shell import shell

# outputs beside the mapped cells, and the options that ask for them
BESIDE = {"report": "--report", "lineage_genes": "--lineage-genes"}

counts = snakemake.input.counts
mapped = snakemake.output.mapped
extra = snakemake.params.get("extra", "")

# a file, which the workflow then watches, or a name or an address that cellport knows
atlas = snakemake.input.get("atlas") or snakemake.params.get("atlas")
if not atlas:
    raise ValueError("Name an atlas: a file as `input: atlas=`, or a name as `params: atlas=`.")

beside = " ".join(
    f"{option} {quote(path)}"
    for name, option in BESIDE.items()
    if (path := snakemake.output.get(name))
)

# with a summary stdout holds nothing else; what was found and what went wrong is on stderr.
# log_fmt_shell() would take a name with a space for two
summary = snakemake.output.get("summary")
printed = f"--json > {quote(summary)}" if summary else ""
logged = ""
if snakemake.log:
    log = quote(snakemake.log[0])
    logged = f"2> {log}" if summary else f"> {log} 2>&1"

shell(
    "cellport map {atlas:q} {counts:q} -o {mapped:q} {beside}"
    " --threads {snakemake.threads} {extra} {printed} {logged}"
)
