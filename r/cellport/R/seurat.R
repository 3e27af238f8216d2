#' @rdname map_cells
#' @export
map_cells.Seurat <- function(object, atlas, ..., assay = NULL, layer = "counts", out = NULL,
                             quiet = FALSE) {
  needs("SeuratObject", "Seurat objects")
  assay <- chosen_assay(object, assay)
  options <- list(...)
  asked <- asked_columns(options, object@meta.data, "meta.data")
  queries <- seurat_queries(object@assays[[assay]], assay, checked("layer", layer, "text"), asked)
  mapping <- map_counts(queries, atlas, options, out, quiet)
  add_to_seurat(object, mapping, assay)
}

#' @noRd
needs <- function(package, what) {
  if (!requireNamespace(package, quietly = TRUE)) {
    refuse(
      "For ", what, " the package ", package, " has to be installed.",
      class = "cellport_tool_error"
    )
  }
}

#' Choose the assay: RNA before others, and what SCT was made of before SCT.
#' @noRd
chosen_assay <- function(object, assay) {
  known <- names(object@assays)
  if (is.null(assay)) {
    assay <- if ("RNA" %in% known) "RNA" else object@active.assay
    if (inherits(object@assays[[assay]], "SCTAssay")) {
      # its counts are corrected
      assay <- object@assays[[assay]]@assay.orig
    }
  }
  if (!checked("assay", assay, "text") %in% known) {
    refuse("The Seurat object has no assay '", assay, "'. ", hint(assay, known))
  }
  assay
}

#' Find the counts of an assay: of version 5 one matrix a layer, each a query of its own.
#'
#' @param read Function that takes a layer of an assay.
#' @noRd
seurat_queries <- function(assay, name, layer, columns, read = layer_counts) {
  # columns of genes, in both versions
  genes <- text_columns(assay[[]])
  layers <- layers_of(assay, name, layer)
  queries <- lapply(layers, function(one) {
    counts <- read(assay, one)
    list(
      counts = counts,
      gene_columns = genes[rownames(counts), , drop = FALSE],
      cell_columns = columns[colnames(counts), , drop = FALSE]
    )
  })
  names(queries) <- paste0(name, ".", layers)
  queries
}

#' @noRd
is_layered <- function(assay) methods::.hasSlot(assay, "layers")

#' @noRd
layer_counts <- function(assay, layer) {
  if (!is_layered(assay)) {
    return(methods::slot(assay, layer))
  }
  # of version 5, which is not needed for older objects
  getExportedValue("SeuratObject", "LayerData")(assay, layer = layer)
}

#' Name the layers that hold a kind of values: `counts`, or `counts.1` and more where it is split.
#' @noRd
layers_of <- function(assay, name, layer) {
  known <- if (is_layered(assay)) names(assay@layers) else filled_slots(assay)
  parts <- if (is_layered(assay)) known[startsWith(known, paste0(layer, "."))]
  found <- if (layer %in% known) layer else parts
  if (!length(found)) {
    refuse("The assay '", name, "' has no layer '", layer, "'. ", hint(layer, known))
  }
  found
}

#' @noRd
filled_slots <- function(assay) {
  slots <- c("counts", "data", "scale.data")
  Filter(function(one) length(methods::slot(assay, one)) > 0, slots)
}

#' Keep the columns of a table that hold text.
#' @noRd
text_columns <- function(table) {
  table <- as.data.frame(table)
  table[vapply(table, function(one) is.character(one) || is.factor(one), logical(1))]
}

#' Take the columns of cells that the options ask for.
#' @noRd
asked_columns <- function(options, table, where) {
  groups <- setdiff(options[["groups"]], "auto")
  if (length(groups) == 1 && !groups %in% names(table)) {
    refuse(where, " has no column '", groups, "' for 'groups'. ", hint(groups, names(table)))
  }
  table[intersect(names(table), c(groups, options[["pseudobulk"]]))]
}

#' @noRd
add_to_seurat <- function(object, mapping, assay) {
  cells <- colnames(object)
  missing <- setdiff(cells, rownames(mapping$cells))
  if (length(missing)) {
    refuse(
      length(missing), " cells have no counts in the assay '", assay, "', such as '", missing[1],
      "': map a subset without them."
    )
  }
  object <- SeuratObject::AddMetaData(object, mapping$cells[cells, , drop = FALSE])
  for (name in names(mapping$embeddings)) {
    object[[name]] <- SeuratObject::CreateDimReducObject(
      embeddings = mapping$embeddings[[name]][cells, , drop = FALSE],
      key = embedding_key(name), assay = assay
    )
  }
  object@misc$cellport <- mapping$info
  object
}
