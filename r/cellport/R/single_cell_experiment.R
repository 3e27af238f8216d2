#' @rdname map_cells
#' @export
map_cells.SingleCellExperiment <- function(object, atlas, ..., layer = "counts", assay = layer,
                                           out = NULL, quiet = FALSE) {
  needs("SingleCellExperiment", "a SingleCellExperiment")
  if (!missing(layer) && !identical(layer, assay)) {
    refuse("'layer' and 'assay' are one thing in a SingleCellExperiment: give one of them.")
  }
  known <- SummarizedExperiment::assayNames(object)
  if (!checked("layer", assay, "text") %in% known) {
    refuse("The SingleCellExperiment has no assay '", assay, "'. ", hint(assay, known))
  }
  options <- list(...)
  query <- list(
    counts = SummarizedExperiment::assay(object, assay),
    gene_columns = text_columns(SummarizedExperiment::rowData(object)),
    cell_columns = asked_columns(options, SummarizedExperiment::colData(object), "colData")
  )
  queries <- list(query)
  names(queries) <- assay
  add_to_experiment(object, map_counts(queries, atlas, options, out, quiet))
}

#' @noRd
add_to_experiment <- function(object, mapping) {
  # by position: names of cells may be missing, or come twice
  columns <- SummarizedExperiment::colData(object)
  columns[names(mapping$cells)] <- mapping$cells
  SummarizedExperiment::colData(object) <- columns
  for (name in names(mapping$embeddings)) {
    embedding <- mapping$embeddings[[name]]
    rownames(embedding) <- colnames(object)
    SingleCellExperiment::reducedDim(object, name) <- embedding
  }
  S4Vectors::metadata(object)$cellport <- mapping$info
  object
}
