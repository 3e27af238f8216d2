#' Map cells onto an atlas
#'
#' Runs `cellport map` on the raw counts of an object, or on files, and brings the results back
#' under the names that the tool gives them everywhere.
#'
#' @param object A `Seurat` object (version 4 or 5), a `SingleCellExperiment`, a matrix of counts,
#'   genes x cells with their names (`dgCMatrix`, or anything with columns that becomes one), or
#'   paths of files that `cellport map` reads: `.h5ad`, 10x `.h5`, 10x folders and others.
#' @param atlas Name of an atlas that [atlases()] lists, its address, or a `.cellport` file.
#' @param ... Options of `cellport map` by name, with `_` for `-`: `threads = 4`,
#'   `neighbors = 10`, `probabilities = TRUE`, `report = "report.html"`,
#'   `groups = "seurat_clusters"`, `minimum_genes = 0.1`, `any_organism`, `orthologs`,
#'   `rescale_genes`, `also`, `fractional_counts`, `several_labels`, `novel_groups`, `merge_labels`,
#'   `cell_ontology`, `cellxgene`,
#'   `crosswalk`, `ontology`, `lineage_genes`, `corrected_expression` and `pseudobulk` (names of
#'   genes and of columns), `corrected_batch`, `device`, `block_cells`, `genome` (files).
#'   `cellport map --help` says what each does.
#' @param assay Of a Seurat object, the assay: `RNA` where there is one, else the default assay. Of
#'   a `SingleCellExperiment`, the same as `layer`.
#' @param layer Where the raw counts are: a layer (slot) of the assay, an assay of a
#'   `SingleCellExperiment`; `counts` by default. Of files as in `cellport map`, which finds them.
#' @param out A file `.h5ad` where the tool's own result is kept, for Python and for
#'   `cellport compare`; `pseudobulk` writes its sums beside it.
#' @param quiet Do not show what the tool says: which genes it found, and what to be careful of.
#'   [mapping_report()] tells it later.
#' @return A Seurat object or `SingleCellExperiment` comes back with columns `cellport_label`,
#'   `cellport_prob`, `cellport_call`, `cellport_label_set`, `cellport_novelty_p`, `cellport_novel`,
#'   `cellport_qc` and what the options add, and with the reductions `cellport` (the latent) and
#'   `cellport_umap` (the place on the atlas's map). For matrices and files there is a
#'   `cellport_mapping`: a list of `cells` (data frame), `embeddings` (matrices) and `info`. What
#'   holds for all cells is in `object@misc$cellport`, `metadata(object)$cellport`, or `info`.
#'
#'   What cannot be used is an error of class `cellport_input_error` with the sentence of the tool;
#'   the object stays as it was. All errors of this package are of class `cellport_error`.
#' @examples
#' \dontrun{
#' lung <- map_cells(lung_demo, "lung", threads = 2)
#' table(lung$cells$cellport_call)
#'
#' seurat <- map_cells(seurat, "lung.cellport", report = "report.html")
#' Seurat::DimPlot(seurat, reduction = "cellport_umap", group.by = "cellport_call")
#' }
#' @export
map_cells <- function(object, atlas, ...) UseMethod("map_cells")

#' @rdname map_cells
#' @export
map_cells.default <- function(object, atlas, ..., layer = NULL, out = NULL, quiet = FALSE) {
  if (length(dim(object)) != 2) {
    refuse(
      "map_cells() cannot read a ", class(object)[1], ": give a Seurat object, a ",
      "SingleCellExperiment, a matrix of counts (genes x cells), or paths of files."
    )
  }
  if (!is.null(layer)) {
    refuse("A matrix has no layers: leave 'layer' out.")
  }
  map_counts(list(counts = list(counts = object)), atlas, list(...), out, quiet)
}

#' @rdname map_cells
#' @export
map_cells.character <- function(object, atlas, ..., layer = NULL, out = NULL, quiet = FALSE) {
  options <- option_arguments(list(...))
  if (!is.null(layer)) {
    options <- c(options, paste0("--layer=", checked("layer", layer, "text")))
  }
  in_scratch(function(folder) map_files(path.expand(object), atlas, options, out, quiet, folder))
}

#' Map matrices, each a query of its own.
#'
#' @param queries Named list of arguments of `write_counts` but for the path; the names are those
#'   by which the tool calls them.
#' @noRd
map_counts <- function(queries, atlas, options, out, quiet) {
  arguments <- option_arguments(options)
  in_scratch(function(folder) {
    files <- file.path(folder, paste0(gsub("[^A-Za-z0-9_.-]", "_", names(queries)), ".h5ad"))
    Map(function(file, query) do.call(write_counts, c(list(file), query)), files, queries)
    map_files(files, atlas, arguments, out, quiet, folder)
  })
}

#' @noRd
in_scratch <- function(work) {
  folder <- tempfile("cellport-")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  work(folder)
}

#' @noRd
map_files <- function(files, atlas, arguments, out, quiet, folder) {
  checked("atlas", atlas, "file")
  result <- result_file(out, arguments, folder)
  # after "--", nothing is taken for an option
  done <- run_tool(
    c("map", "--json", "-o", result, arguments, "--", path.expand(atlas), files),
    hide = folder
  )
  if (!quiet && length(done$said)) {
    message(paste(done$said, collapse = "\n"))
  }
  mapping <- read_mapping(result, hide = folder)
  written <- jsonlite::fromJSON(done$out)[c("report", "lineage_genes", "pseudobulk")]
  mapping$info <- c(mapping$info, written[lengths(written) > 0])
  mapping
}

#' @noRd
result_file <- function(out, arguments, folder) {
  if (!is.null(out)) {
    if (!grepl("\\.h5ad$", checked("out", out, "file"), ignore.case = TRUE)) {
      refuse("'out' takes a file that ends in .h5ad; '", out, "' does not.")
    }
    return(path.expand(out))
  }
  if (any(startsWith(as.character(arguments), "--pseudobulk="))) {
    refuse(
      "Summed counts are written beside the result: say where that is, as in ",
      "out = \"mapped.h5ad\"."
    )
  }
  file.path(folder, "mapped.h5ad")
}
