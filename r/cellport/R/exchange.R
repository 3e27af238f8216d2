# cells whose counts are in memory twice at a time
piece_cells <- 1000

#' Write counts where the tool reads them, in pieces.
#'
#' The file is an h5ad, since a 10x file has no place for columns of cells and genes.
#'
#' @param path The file to write.
#' @param counts Anything with columns to take that becomes a `dgCMatrix`, genes x cells.
#' @param gene_columns,cell_columns Data frames of columns that the tool may need.
#' @noRd
write_counts <- function(path, counts, gene_columns = NULL, cell_columns = NULL) {
  check_names(counts)
  file <- rhdf5::H5Fcreate(path)
  on.exit(rhdf5::H5Fclose(file))
  tag(file, "anndata", "0.1.0")
  write_frame(file, "obs", cell_names(counts), cell_columns)
  write_frame(file, "var", rownames(counts), gene_columns)
  write_matrix(file, "X", counts)
}

#' @noRd
check_names <- function(counts) {
  if (is.null(rownames(counts))) {
    refuse("The counts have no names of genes: set rownames().")
  }
  if (!ncol(counts)) {
    refuse("The counts have no cells (columns).")
  }
}

#' @noRd
cell_names <- function(counts) {
  if (is.null(colnames(counts))) as.character(seq_len(ncol(counts))) else colnames(counts)
}

#' Write a CSR matrix of cells, which is what the columns of a `dgCMatrix` are.
#' @noRd
write_matrix <- function(file, name, counts) {
  group <- rhdf5::H5Gcreate(file, name)
  on.exit(rhdf5::H5Gclose(group))
  tag(group, "csr_matrix", "0.1.0")
  rhdf5::h5writeAttribute(c(ncol(counts), nrow(counts)), group, "shape")
  values <- growing(group, "data", "H5T_IEEE_F32LE")
  genes <- growing(group, "indices", "H5T_STD_I32LE")
  on.exit(lapply(list(values, genes), rhdf5::H5Dclose), add = TRUE, after = FALSE)
  pointers <- 0
  for (start in seq(1, ncol(counts), by = piece_cells)) {
    stored <- pointers[length(pointers)]
    pointers <- c(pointers, stored + write_piece(values, genes, stored, counts, start))
    # beside a large object R would let all pieces pile up
    gc(full = FALSE)
  }
  rhdf5::h5write(as.integer(pointers), group, "indptr")
}

#' Append some cells, and return where each ends. A function of its own: what is still in use when
#' memory is tidied is kept for long.
#' @noRd
write_piece <- function(values, genes, stored, counts, start) {
  piece <- piece_of(counts, start, min(start + piece_cells - 1, ncol(counts)))
  if (stored + length(piece@x) > .Machine$integer.max) {
    refuse("There are more than 2^31 counts above zero: map the cells in several objects.")
  }
  append_to(values, stored, piece@x)
  append_to(genes, stored, piece@i)
  piece@p[-1]
}

#' Take some columns as a `dgCMatrix`.
#' @noRd
piece_of <- function(counts, start, stop) {
  if (inherits(counts, "dgCMatrix")) {
    return(slice(counts, start, stop))
  }
  piece <- counts[, start:stop, drop = FALSE]
  if (is.data.frame(piece)) {
    piece <- as.matrix(piece)
  }
  if (is.matrix(piece)) {
    piece <- Matrix::Matrix(piece + 0, sparse = TRUE)
  }
  if (!inherits(piece, "Matrix")) {
    return(methods::as(piece, "dgCMatrix"))
  }
  for (class in c("dMatrix", "generalMatrix", "CsparseMatrix")) {
    piece <- methods::as(piece, class)
  }
  piece
}

#' The same by its three arrays, several times faster than `[`.
#' @noRd
slice <- function(counts, start, stop) {
  pointers <- counts@p[start:(stop + 1)]
  stored <- seq.int(pointers[1] + 1, length.out = pointers[length(pointers)] - pointers[1])
  methods::new("dgCMatrix",
    i = counts@i[stored], x = counts@x[stored], p = pointers - pointers[1],
    Dim = c(nrow(counts), length(pointers) - 1L)
  )
}

# values of a chunk: half a megabyte
chunk <- 131072

#' Make an empty array that grows.
#' @noRd
growing <- function(group, name, type) {
  rhdf5::h5createDataset(group, name,
    dims = 0, maxdims = rhdf5::H5Sunlimited(), H5type = type, chunk = chunk, level = 0,
    filter = "NONE"
  )
  rhdf5::H5Dopen(group, name)
}

#' @noRd
append_to <- function(dataset, stored, values) {
  if (!length(values)) {
    return(invisible())
  }
  rhdf5::H5Dset_extent(dataset, stored + length(values))
  place <- rhdf5::H5Dget_space(dataset)
  room <- rhdf5::H5Screate_simple(length(values))
  on.exit(lapply(list(place, room), rhdf5::H5Sclose))
  rhdf5::H5Sselect_hyperslab(place, start = stored + 1, count = length(values))
  rhdf5::H5Dwrite(dataset, values, h5spaceMem = room, h5spaceFile = place)
}

#' Write a table with names of its rows.
#' @noRd
write_frame <- function(file, name, rows, columns) {
  group <- rhdf5::H5Gcreate(file, name)
  on.exit(rhdf5::H5Gclose(group))
  tag(group, "dataframe", "0.2.0")
  attribute(group, "_index", "_index")
  write_text(group, "_index", rows)
  for (column in names(columns)) {
    write_category(group, column, columns[[column]])
  }
}

#' @noRd
write_category <- function(group, name, values) {
  # a slash would make a group of its own
  if (grepl("/", name, fixed = TRUE)) {
    refuse("The column '", name, "' has a slash in its name: give it another one.")
  }
  values <- factor(as.character(values))
  made <- rhdf5::H5Gcreate(group, name)
  on.exit(rhdf5::H5Gclose(made))
  tag(made, "categorical", "0.2.0")
  codes <- as.integer(values) - 1L
  codes[is.na(codes)] <- -1L
  rhdf5::h5write(codes, made, "codes")
  write_text(made, "categories", levels(values))
}

#' @noRd
write_text <- function(group, name, values) {
  rhdf5::h5createDataset(group, name,
    dims = length(values), storage.mode = "character", size = NULL, encoding = "UTF-8",
    level = 0, filter = "NONE"
  )
  rhdf5::h5write(enc2utf8(values), group, name)
}

#' @noRd
tag <- function(item, encoding, version) {
  attribute(item, "encoding-type", encoding)
  attribute(item, "encoding-version", version)
}

#' @noRd
attribute <- function(item, name, value) {
  rhdf5::h5writeAttribute(value, item, name,
    asScalar = TRUE, variableLengthString = TRUE, encoding = "UTF-8"
  )
}
