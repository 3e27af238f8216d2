written <- function(counts, ...) {
  file <- tempfile(fileext = ".h5ad")
  cellport:::write_counts(file, counts, ...)
  made <- rhdf5::h5read(file, "/")
  unlink(file)
  made
}

test_that("counts are written cell by cell, whatever kind of matrix they are in", {
  dense <- as.matrix(lung_demo)
  kinds <- list(
    lung_demo, dense, as.data.frame(dense), methods::as(lung_demo, "TsparseMatrix"),
    methods::as(lung_demo, "RsparseMatrix")
  )
  for (counts in kinds) {
    made <- written(counts)$X
    expect_identical(as.numeric(made$data), lung_demo@x)
    expect_identical(as.integer(made$indices), lung_demo@i)
    expect_identical(as.integer(made$indptr), lung_demo@p)
  }
})

test_that("matrices that lie on disk are read piece by piece", {
  skip_if_not_installed("DelayedArray")
  made <- written(DelayedArray::DelayedArray(lung_demo))$X
  expect_identical(as.numeric(made$data), lung_demo@x)
  expect_identical(as.integer(made$indices), lung_demo@i)
})

test_that("nothing stays open, also where a piece cannot be read", {
  before <- nrow(rhdf5::h5listIdentifier())
  written(lung_demo)
  text <- as.matrix(lung_demo[1:5, 1:5])
  text[] <- "one"
  expect_error(written(text))
  expect_identical(nrow(rhdf5::h5listIdentifier()), before)
})

test_that("pieces join without a seam, and cells without counts stay", {
  counts <- do.call(cbind, rep(list(lung_demo), 21))
  counts[, c(1, 2000, 2001, 4000:4200)] <- 0
  counts <- Matrix::drop0(counts)
  made <- written(counts)
  expect_identical(as.integer(made$X$indptr), counts@p)
  expect_identical(as.integer(made$X$indices), counts@i)
  expect_identical(as.numeric(made$X$data), counts@x)
  empty <- counts
  empty@x[] <- 0
  expect_identical(as.integer(written(Matrix::drop0(empty))$X$indptr), integer(4201))
})

test_that("names and columns are kept in any script, and missing values too", {
  counts <- lung_demo[, 1:3]
  colnames(counts) <- c("caf\u00e9", "\u7d30\u80de", "c;d")
  columns <- data.frame(donor = factor(c("b", NA, "a")))
  made <- written(counts, cell_columns = columns)
  names <- as.character(made$obs[["_index"]])
  Encoding(names) <- "UTF-8"
  expect_identical(names, colnames(counts))
  expect_identical(as.integer(made$obs$donor$codes), c(1L, -1L, 0L))
  expect_identical(as.character(made$obs$donor$categories), c("a", "b"))
  names(columns) <- "a/b"
  expect_error(written(counts, cell_columns = columns), "slash")
})

test_that("cells without names are counted", {
  counts <- lung_demo[, 1:3]
  colnames(counts) <- NULL
  expect_identical(as.character(written(counts)$obs[["_index"]]), c("1", "2", "3"))
})
