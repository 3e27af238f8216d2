# What `python -m benchmarks.mapping.r_package` starts:
#   Rscript r_package.R make QUERY.h5ad CELLS OBJECT.rds
#   Rscript r_package.R map OBJECT.rds ATLAS FOLDER
suppressPackageStartupMessages(library(cellport))
given <- commandArgs(trailingOnly = TRUE)

make <- function(query, cells, out) {
  csr <- rhdf5::h5read(query, "X")
  genes <- as.character(rhdf5::h5read(query, "var/_index"))
  names <- as.character(rhdf5::h5read(query, "obs/_index"))
  # Seurat puts dashes for underscores, with a warning
  counts <- methods::new("dgCMatrix",
    i = as.integer(csr$indices), p = as.integer(csr$indptr), x = as.numeric(csr$data),
    Dim = c(length(genes), length(names)), Dimnames = list(gsub("_", "-", genes), names)
  )
  object <- SeuratObject::CreateSeuratObject(counts[, seq_len(as.integer(cells))])
  saveRDS(object, out, compress = FALSE)
}

peak_mb <- function() {
  line <- grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# by the clock, and of the processors, for R and for what it starts
spent <- function(code) {
  found <- system.time(code)
  c(wall = found[["elapsed"]], cpu = sum(found[c(1, 2, 4, 5)]))
}

map <- function(file, atlas, folder) {
  object <- readRDS(file)
  loadNamespace("SeuratObject")
  before <- peak_mb()
  whole <- spent(map_cells(object, atlas, quiet = TRUE))
  after <- peak_mb()
  exchange <- file.path(folder, "exchange.h5ad")
  unlink(exchange)
  write <- spent(cellport:::write_counts(exchange, object@assays$RNA@counts))
  out <- file.path(folder, "mapped.h5ad")
  command <- c("map", atlas, exchange, "-o", out)
  plain <- spent(system2(cellport_path(), command, stdout = FALSE, stderr = FALSE))
  unlink(exchange)
  times <- c(map_cells = whole, write = write, command = plain)
  found <- c(as.list(times), loaded_mb = before, mapped_mb = after)
  cat(jsonlite::toJSON(found, auto_unbox = TRUE, digits = NA), "\n")
}

do.call(given[1], as.list(given[-1]))
