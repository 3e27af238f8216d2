experiment <- function(counts = lung_demo, ...) {
  skip_if_not_installed("SingleCellExperiment")
  suppressPackageStartupMessages(loadNamespace("SingleCellExperiment"))
  SingleCellExperiment::SingleCellExperiment(list(counts = counts), ...)
}

test_that("a SingleCellExperiment gets what the command line gives", {
  skip_without_tool()
  for (counts in list(demo_counts(), degraded(demo_counts()))) {
    object <- map_cells(experiment(counts), atlas, quiet = TRUE)
    reduced <- function(name) SingleCellExperiment::reducedDim(object, name)
    cells <- SummarizedExperiment::colData(object)
    expect_same_answers(
      cells, reduced("cellport"), reduced("cellport_umap"), mapped_by_command(counts)
    )
    expect_identical(S4Vectors::metadata(object)$cellport$atlas, atlas)
  }
})

test_that("genes are found by a column of rowData, and features of other kinds are left out", {
  skip_without_tool()
  ids <- paste0("feature_", seq_len(nrow(lung_demo)))
  symbols <- data.frame(Symbol = rownames(lung_demo), row.names = ids)
  counts <- lung_demo
  rownames(counts) <- ids
  object <- map_cells(experiment(counts, rowData = symbols), atlas, quiet = TRUE)
  expect_identical(mapping_report(object)$genes$column, "Symbol")
  wanted <- map_cells(lung_demo, atlas, quiet = TRUE)
  expect_identical(object$cellport_prob, wanted$cells$cellport_prob)
})

test_that("cells may lack names, or share them", {
  skip_without_tool()
  counts <- lung_demo
  wanted <- map_cells(counts, atlas, quiet = TRUE)
  for (names in list(NULL, rep("cell", 200))) {
    colnames(counts) <- names
    object <- map_cells(experiment(counts), atlas, quiet = TRUE)
    expect_identical(object$cellport_prob, wanted$cells$cellport_prob)
    expect_identical(colnames(object), names)
  }
})

test_that("what is not there is refused by name", {
  object <- experiment()
  expect_error(map_cells(object, atlas, layer = "count"), "Did you mean 'counts'")
  expect_error(map_cells(object, atlas, layer = "counts", assay = "other"), "one thing")
  expect_error(map_cells(object, atlas, groups = "cluster"), "colData has no column 'cluster'")
})
