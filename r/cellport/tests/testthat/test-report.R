test_that("a report tells what the columns hold", {
  skip_without_tool()
  mapping <- map_cells(lung_demo, atlas, quiet = TRUE)
  report <- mapping_report(mapping)
  expect_identical(report$n_cells, 200L)
  expect_identical(sum(report$calls), 200L)
  expect_false(is.unsorted(-report$calls))
  expect_identical(report$mean_prob, mean(mapping$cells$cellport_prob))
  expect_identical(report$genes$n_panel, 880L)
  shown <- capture.output(print(report))
  expect_match(shown[1], "Mapped onto lung: 200 cells")
  expect_true(any(grepl("^flagged: [0-9]+ low_depth", shown)))
})

test_that("where nothing was mapped, or no page written, that is said", {
  expect_error(mapping_report(lung_demo), "no results of map_cells", class = "cellport_input_error")
  made <- list(cells = data.frame(), info = list(atlas = "a"))
  class(made) <- "cellport_mapping"
  expect_error(mapping_report(made, open = TRUE), "report = ", class = "cellport_input_error")
})
