# Tests that map need the tool; without it they are skipped, each with its reason.
skip_without_tool <- function() {
  found <- tryCatch(cellport_path(), cellport_tool_error = function(error) NULL)
  if (is.null(found)) skip("the tool 'cellport' is not installed")
}

atlas <- "lung"

# all demonstration cells where they are at hand, else the fifth of them that comes with the package
demo_counts <- function() {
  file <- Sys.getenv("CELLPORT_DEMO_CELLS")
  if (!nzchar(file)) {
    return(lung_demo)
  }
  csr <- rhdf5::h5read(file, "X")
  genes <- as.character(rhdf5::h5read(file, "var/_index"))
  cells <- as.character(rhdf5::h5read(file, "obs/_index"))
  Matrix::sparseMatrix(
    i = csr$indices, p = csr$indptr, x = as.numeric(csr$data), index1 = FALSE,
    dims = c(length(genes), length(cells)), dimnames = list(genes, cells)
  )
}

# genes dropped, and counts thinned
degraded <- function(counts) {
  set.seed(1)
  counts <- counts[sort(sample(nrow(counts), 2500)), ]
  counts@x <- as.numeric(stats::rbinom(length(counts@x), counts@x, 0.3))
  Matrix::drop0(counts)
}

# what the command line writes for the same counts, given as a folder not written by this package
mapped_by_command <- function(counts, arguments = character()) {
  folder <- tempfile("tenx-")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  Matrix::writeMM(counts, file.path(folder, "matrix.mtx"))
  features <- data.frame(rownames(counts), rownames(counts), "Gene Expression")
  utils::write.table(features, file.path(folder, "features.tsv"),
    sep = "\t", quote = FALSE, row.names = FALSE, col.names = FALSE
  )
  writeLines(colnames(counts), file.path(folder, "barcodes.tsv"))
  out <- file.path(folder, "mapped.h5ad")
  status <- system2(cellport_path(), c("map", atlas, folder, "-o", out, arguments),
    stdout = FALSE, stderr = FALSE
  )
  stopifnot(status == 0)
  wanted <- list(
    labels = rhdf5::h5read(out, "obs/cellport_label"),
    calls = rhdf5::h5read(out, "obs/cellport_call"),
    cells = rhdf5::h5read(out, "obs"),
    latent = t(rhdf5::h5read(out, "obsm/X_cellport")),
    umap = t(rhdf5::h5read(out, "obsm/X_cellport_umap"))
  )
  rhdf5::h5closeAll()
  wanted
}

expect_same_answers <- function(cells, latent, umap, wanted) {
  decoded <- function(column) as.vector(column$categories)[column$codes + 1]
  expect_identical(as.character(cells$cellport_label), decoded(wanted$labels))
  expect_identical(as.character(cells$cellport_call), decoded(wanted$calls))
  expect_identical(cells$cellport_prob, as.vector(wanted$cells$cellport_prob))
  expect_identical(cells$cellport_novelty_p, as.vector(wanted$cells$cellport_novelty_p))
  expect_identical(cells$cellport_label_set, as.vector(wanted$cells$cellport_label_set))
  expect_identical(cells$cellport_novel, wanted$cells$cellport_novel == "TRUE")
  expect_identical(unname(latent), wanted$latent)
  expect_identical(unname(umap), wanted$umap)
}
