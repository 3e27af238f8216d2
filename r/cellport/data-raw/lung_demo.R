# Make data/lung_demo.rda of the cells that come with the tool. From the top of the checkout:
#   Rscript r/cellport/data-raw/lung_demo.R
file <- "cellport/demo_data/lung_sample.h5ad"
csr <- rhdf5::h5read(file, "X")
genes <- as.character(rhdf5::h5read(file, "var/_index"))
cells <- as.character(rhdf5::h5read(file, "obs/_index"))
counts <- Matrix::sparseMatrix(
  i = csr$indices, p = csr$indptr, x = as.numeric(csr$data), index1 = FALSE,
  dims = c(length(genes), length(cells)), dimnames = list(genes, cells)
)
lung_demo <- counts[, seq(1, ncol(counts), by = 5)]
save(lung_demo, file = "r/cellport/data/lung_demo.rda", compress = "xz", version = 2)
