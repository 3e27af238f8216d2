test_that("a matrix gets what the command line gives, bit by bit", {
  skip_without_tool()
  for (counts in list(demo_counts(), degraded(demo_counts()))) {
    mapping <- map_cells(counts, atlas, threads = 2, quiet = TRUE)
    expect_identical(rownames(mapping$cells), colnames(counts))
    found <- mapping$embeddings
    wanted <- mapped_by_command(counts)
    expect_same_answers(mapping$cells, found$cellport, found$cellport_umap, wanted)
  }
})

test_that("files are passed on, with options and the place of the result", {
  skip_without_tool()
  out <- tempfile(fileext = ".h5ad")
  page <- tempfile(fileext = ".html")
  first <- map_cells(lung_demo, atlas, out = out, quiet = TRUE)
  # a result holds no counts
  expect_error(map_cells(out, atlas), "no X, no layers", class = "cellport_input_error")
  file <- tempfile(fileext = ".h5ad")
  cellport:::write_counts(file, lung_demo)
  again <- map_cells(file, atlas, layer = "X", report = page, neighbors = 2, quiet = TRUE)
  expect_identical(again$cells[names(first$cells)], first$cells)
  expect_identical(dim(again$embeddings$cellport_neighbor_distance), c(200L, 2L))
  expect_identical(mapping_report(again)$report, page)
  expect_true(file.exists(page))
})

test_that("several files become one result", {
  skip_without_tool()
  files <- replicate(2, tempfile(fileext = ".h5ad"))
  cellport:::write_counts(files[1], lung_demo[, 1:50])
  cellport:::write_counts(files[2], lung_demo[, 51:200])
  both <- map_cells(files, atlas, quiet = TRUE)
  expect_identical(as.integer(table(both$cells$cellport_query)), c(50L, 150L))
})

test_that("summed counts need a place", {
  skip_without_tool()
  expect_error(map_cells(lung_demo, atlas, pseudobulk = "cellport_call"), "out = ")
  out <- tempfile(fileext = ".h5ad")
  made <- map_cells(lung_demo, atlas, pseudobulk = "cellport_call", out = out, quiet = TRUE)
  sums <- rhdf5::h5read(made$info$pseudobulk, "X")
  expect_equal(sum(sums), sum(lung_demo[, made$cells$cellport_qc != "empty"]))
})

test_that("errors of the tool are conditions with its sentence", {
  skip_without_tool()
  expect_error(map_cells(lung_demo / 2.5, atlas), "no raw counts", class = "cellport_input_error")
  expect_error(map_cells("nowhere.h5ad", atlas), "there is no file", class = "cellport_input_error")
  expect_error(map_cells(lung_demo, "lungo"), "Did you mean 'lung'")
  few <- lung_demo[1:20, ]
  expect_error(map_cells(few, atlas), class = "cellport_input_error")
  expect_error(map_cells(lung_demo, atlas, threads = 0), "threads", class = "cellport_input_error")
  missing <- lung_demo
  missing@x[5] <- NA
  expect_error(map_cells(missing, atlas), class = "cellport_input_error")
})

test_that("what is no query is refused before the tool is asked", {
  expect_error(map_cells(1:3, atlas), "cannot read a integer", class = "cellport_input_error")
  expect_error(map_cells(unname(lung_demo), atlas), "names of genes")
  expect_error(map_cells(lung_demo[, 0], atlas), "no cells")
  expect_error(map_cells(lung_demo, atlas, layer = "counts"), "no layers")
  expect_error(map_cells(lung_demo, atlas, out = "mapped.csv"), ".h5ad")
  expect_error(map_cells(lung_demo, 3), "atlas")
})

test_that("what the tool says is shown, without folders of ours", {
  skip_without_tool()
  expect_message(map_cells(lung_demo, atlas), "counts.h5ad, X: 200 cells")
  expect_silent(map_cells(lung_demo, atlas, quiet = TRUE))
})

test_that("nothing is left behind", {
  skip_without_tool()
  before <- list.files(tempdir(), "^cellport-")
  map_cells(lung_demo, atlas, quiet = TRUE)
  try(map_cells(lung_demo / 2.5, atlas), silent = TRUE)
  expect_identical(list.files(tempdir(), "^cellport-"), before)
})
