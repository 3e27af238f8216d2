#' Tell what a mapping came to
#'
#' How many cells were called what, how sure that is, how many are unlike anything in the atlas, how
#' many of its genes were found, and what to be careful of.
#'
#' @param object What [map_cells()] returned.
#' @param open Show the page that `map_cells(report = FILE)` wrote in a browser.
#' @return `cellport_report`, a list, which is printed as text: `atlas`, `n_cells`, `calls` and
#'   `quality` (cells of each, the most first), `mean_prob`, `novel` (share of cells unlike the
#'   atlas), `genes` (how they matched), `notes`, and `report`, the path of the page.
#' @examples
#' \dontrun{
#' mapping_report(map_cells(lung_demo, "lung"))
#' }
#' @export
mapping_report <- function(object, open = FALSE) {
  found <- mapped_parts(object)
  cells <- found$cells
  info <- found$info
  if (open) {
    open_report(info$report)
  }
  structure(
    list(
      atlas = info$atlas, n_cells = nrow(cells), calls = counted(cells$cellport_call),
      quality = counted(cells$cellport_qc), mean_prob = mean_of(cells$cellport_prob),
      novel = mean_of(cells$cellport_novel), genes = info$genes, notes = info$notes,
      report = info$report
    ),
    class = "cellport_report"
  )
}

#' @noRd
mapped_parts <- function(object) {
  found <- if (inherits(object, "cellport_mapping")) {
    object[c("cells", "info")]
  } else if (inherits(object, "Seurat")) {
    list(cells = object@meta.data, info = object@misc$cellport)
  } else if (inherits(object, "SingleCellExperiment")) {
    list(
      cells = as.data.frame(SummarizedExperiment::colData(object), optional = TRUE),
      info = S4Vectors::metadata(object)$cellport
    )
  }
  if (is.null(found$info)) {
    refuse("There are no results of map_cells() in this ", class(object)[1], ".")
  }
  found
}

#' @noRd
open_report <- function(path) {
  if (is.null(path) || !file.exists(path)) {
    refuse("There is no page to open: give map_cells() a file, as in report = \"report.html\".")
  }
  utils::browseURL(normalizePath(path))
}

#' @noRd
counted <- function(values) {
  found <- table(values)
  found <- found[found > 0]
  found[order(-found, names(found))]
}

#' @noRd
mean_of <- function(values) if (length(values)) mean(values, na.rm = TRUE) else NA_real_

#' @export
print.cellport_report <- function(x, ...) {
  cat("Mapped onto ", x$atlas, ": ", format(x$n_cells, big.mark = ","), " cells\n", sep = "")
  shown <- data.frame(call = names(x$calls), cells = as.integer(x$calls))
  shown$share <- sprintf("%.1f %%", 100 * shown$cells / x$n_cells)
  print(shown, row.names = FALSE, right = FALSE)
  said <- c(
    if (!is.na(x$mean_prob)) sprintf("mean probability of the best label: %.2f", x$mean_prob),
    if (!is.na(x$novel)) sprintf("unlike anything in the atlas: %.1f %% of cells", 100 * x$novel),
    flagged(x$quality), x$notes, if (!is.null(x$report)) paste("report:", x$report)
  )
  cat(said, sep = "\n")
  invisible(x)
}

#' @noRd
flagged <- function(quality) {
  bad <- quality[names(quality) != "ok"]
  if (length(bad)) paste("flagged:", paste(bad, names(bad), collapse = ", "))
}

#' @export
print.cellport_mapping <- function(x, ...) {
  print(mapping_report(x))
  cat("$cells, $embeddings and $info hold the results.\n")
  invisible(x)
}
