seurat <- function(counts = lung_demo) {
  skip_if_not_installed("SeuratObject")
  suppressWarnings(SeuratObject::CreateSeuratObject(counts))
}

test_that("a Seurat object gets what the command line gives", {
  skip_without_tool()
  for (counts in list(demo_counts(), degraded(demo_counts()))) {
    object <- map_cells(seurat(counts), atlas, quiet = TRUE)
    embedding <- function(name) SeuratObject::Embeddings(object, name)
    wanted <- mapped_by_command(counts)
    expect_same_answers(object@meta.data, embedding("cellport"), embedding("cellport_umap"), wanted)
    expect_identical(rownames(embedding("cellport")), colnames(counts))
    expect_identical(object@misc$cellport$atlas, atlas)
  }
})

test_that("columns and dimensions are found by name, also together", {
  skip_without_tool()
  object <- map_cells(seurat(), atlas, quiet = TRUE)
  found <- SeuratObject::FetchData(object, c("CELLPORT_1", "cellport_prob", "CELLPORTUMAP_2"))
  expect_identical(found$cellport_prob, object@meta.data$cellport_prob)
  expect_identical(found$CELLPORT_1, unname(SeuratObject::Embeddings(object, "cellport")[, 1]))
})

test_that("clusters of the object are groups, and its columns sums", {
  skip_without_tool()
  object <- seurat()
  object$cluster <- rep(c("a", "b"), 100)
  out <- tempfile(fileext = ".h5ad")
  object <- map_cells(object, atlas,
    groups = "cluster", pseudobulk = c("cluster", "cellport_call"), out = out, quiet = TRUE
  )
  by_cluster <- tapply(as.character(object$cellport_group_label), object$cluster, unique)
  expect_identical(lengths(by_cluster)[["a"]], 1L)
  sums <- rhdf5::h5read(object@misc$cellport$pseudobulk, "obs/cluster/categories")
  expect_setequal(sums, c("a", "b"))
  expect_error(map_cells(object, atlas, groups = "clusters"), "Did you mean 'cluster'")
})

test_that("the assay with raw counts is chosen, and others are refused by name", {
  object <- seurat()
  object[["ADT"]] <- SeuratObject::CreateAssayObject(counts = lung_demo[1:5, ])
  SeuratObject::DefaultAssay(object) <- "ADT"
  expect_identical(cellport:::chosen_assay(object, NULL), "RNA")
  expect_identical(cellport:::chosen_assay(object, "ADT"), "ADT")
  expect_error(cellport:::chosen_assay(object, "RMA"), "Did you mean 'RNA'")
  expect_error(map_cells(object, atlas, layer = "count"), "Did you mean 'counts'")
  expect_error(map_cells(object, atlas, layer = "scale.data"), "no layer 'scale.data'")
})

test_that("mapping again replaces what there was", {
  skip_without_tool()
  once <- map_cells(seurat(), atlas, quiet = TRUE)
  twice <- map_cells(once, atlas, quiet = TRUE)
  expect_identical(twice@meta.data, once@meta.data)
  expect_identical(names(twice@reductions), names(once@reductions))
})

# what an assay of version 5 has in common with this: layers, each with genes and cells of its own
layered <- function(...) {
  class <- methods::setClass("LayeredAssay", representation(layers = "list"))
  methods::setMethod("[[", "LayeredAssay", function(x, i, ...) {
    data.frame(row.names = rownames(lung_demo), symbol = rownames(lung_demo))
  })
  class(layers = list(...))
}

test_that("of split layers each is a query of its own", {
  first <- lung_demo[1:3000, 1:50]
  second <- lung_demo[1001:4000, 51:200]
  assay <- layered(counts.1 = first, counts.2 = second, data.1 = first)
  columns <- data.frame(donor = rep(c("a", "b"), 100), row.names = colnames(lung_demo))
  read <- function(assay, layer) assay@layers[[layer]]
  queries <- cellport:::seurat_queries(assay, "RNA", "counts", columns, read)
  expect_identical(names(queries), c("RNA.counts.1", "RNA.counts.2"))
  expect_identical(queries[[2]]$counts, second)
  expect_identical(queries[[2]]$gene_columns$symbol, rownames(second))
  expect_identical(queries[[2]]$cell_columns$donor, columns$donor[51:200])
  one <- cellport:::seurat_queries(assay, "RNA", "counts.2", columns, read)
  expect_identical(names(one), "RNA.counts.2")
  expect_error(cellport:::layers_of(assay, "RNA", "scale"), "no layer 'scale'")
})

test_that("split layers come back as the cells lie in the object", {
  skip_without_tool()
  queries <- list(odd = seq(1, 200, 2), even = seq(2, 200, 2))
  queries <- lapply(queries, function(cells) list(counts = lung_demo[, cells]))
  mapping <- cellport:::map_counts(queries, atlas, list(), NULL, TRUE)
  object <- cellport:::add_to_seurat(seurat(), mapping, "RNA")
  wanted <- map_cells(lung_demo, atlas, quiet = TRUE)
  expect_identical(object@meta.data$cellport_prob, wanted$cells$cellport_prob)
  latent <- SeuratObject::Embeddings(object, "cellport")
  expect_identical(unname(latent), unname(wanted$embeddings$cellport))
  fewer <- mapping
  fewer$cells <- fewer$cells[-1, ]
  expect_error(cellport:::add_to_seurat(seurat(), fewer, "RNA"), "1 cells have no counts")
})

test_that("an object of version 5 gets the same, also where its layers are split", {
  skip_without_tool()
  skip_if_not_installed("SeuratObject", "5.0.0")
  assay <- SeuratObject::CreateAssay5Object(counts = lung_demo)
  object <- SeuratObject::CreateSeuratObject(assay)
  whole <- map_cells(object, atlas, quiet = TRUE)
  wanted <- map_cells(lung_demo, atlas, quiet = TRUE)
  expect_identical(whole$cellport_prob[[3]], wanted$cells$cellport_prob[3])
  split_up <- split(object[["RNA"]], f = rep(c("a", "b"), 100))
  object[["RNA"]] <- split_up
  parts <- map_cells(object, atlas, quiet = TRUE)
  expect_identical(unname(parts$cellport_prob), unname(whole$cellport_prob))
})
