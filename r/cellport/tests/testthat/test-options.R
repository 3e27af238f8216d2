arguments <- function(...) cellport:::option_arguments(list(...))

test_that("options become arguments of the command line", {
  expect_null(arguments())
  expect_null(arguments(probabilities = FALSE, groups = NULL))
  expect_identical(arguments(threads = 4), "--threads=4")
  expect_identical(arguments(block_cells = 1e5), "--block-cells=100000")
  expect_identical(arguments(minimum_genes = 0.05), "--minimum-genes=0.05")
  expect_identical(arguments(any_organism = TRUE), "--any-organism")
  expect_identical(
    arguments(corrected_expression = c("EPCAM", "PTPRC")), "--corrected-expression=EPCAM,PTPRC"
  )
  # a value is never an option of its own
  expect_identical(arguments(groups = "--help"), "--groups=--help")
})

test_that("unknown options and values of another kind are refused by name", {
  expect_error(arguments(neighbours = 3), "Did you mean 'neighbors'")
  expect_error(arguments(zzzzzzzzzz = 3), "There are: 'genome'")
  expect_error(arguments(dask = "local"), "command line alone")
  expect_error(arguments(3), "by name")
  expect_error(arguments(threads = 1, threads = 2), "given twice")
  expect_error(arguments(threads = 1.5), "a whole number")
  expect_error(arguments(threads = NA), "a whole number")
  expect_error(arguments(probabilities = "yes"), "TRUE or FALSE")
  expect_error(arguments(groups = c("a", "b")), "one name")
  expect_error(arguments(pseudobulk = character()), "one or more names")
})
