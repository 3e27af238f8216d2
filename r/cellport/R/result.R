#' Read what `cellport map` wrote.
#'
#' @param path An `.h5ad` of the tool.
#' @param hide A folder of ours, which is left out of what the result says.
#' @return `cellport_mapping`: a list of `cells` (data frame, a row a cell), `embeddings` (list of
#'   matrices, a row a cell) and `info` (list: atlas, versions, genes matched, notes).
#' @noRd
read_mapping <- function(path, hide = NULL) {
  file <- rhdf5::H5Fopen(path, "H5F_ACC_RDONLY")
  on.exit(rhdf5::H5Fclose(file))
  names <- as.character(rhdf5::h5read(file, "obs/_index"))
  structure(
    list(
      cells = read_cells(file, names),
      embeddings = read_embeddings(file, names),
      info = plain(rhdf5::h5read(file, "uns/cellport"), hide)
    ),
    class = "cellport_mapping"
  )
}

#' @noRd
read_cells <- function(file, names) {
  order <- rhdf5::h5readAttributes(file, "obs")[["column-order"]]
  columns <- lapply(order, function(name) read_column(file, paste0("obs/", name)))
  names(columns) <- order
  rows <- if (anyDuplicated(names)) seq_along(names) else names
  data.frame(columns, row.names = rows, check.names = FALSE)
}

#' Read a column: categories become factors, and the enumerations of HDF5 TRUE and FALSE.
#' @noRd
read_column <- function(file, name) {
  values <- rhdf5::h5read(file, name)
  if (is.list(values)) {
    levels <- as.character(values$categories)
    codes <- as.integer(values$codes)
    codes[codes < 0] <- NA
    return(structure(codes + 1L, levels = levels, class = "factor"))
  }
  if (is.factor(values)) as.character(values) == "TRUE" else as.vector(values)
}

#' @noRd
read_embeddings <- function(file, names) {
  keys <- rhdf5::h5ls(file)
  keys <- keys$name[keys$group == "/obsm"]
  made <- lapply(keys, function(key) {
    # HDF5 counts the other way round
    values <- t(rhdf5::h5read(file, paste0("obsm/", key)))
    dimnames(values) <- list(names, paste0(embedding_key(key), seq_len(ncol(values))))
    values
  })
  names(made) <- sub("^X_", "", keys)
  made
}

#' Name the dimensions of an embedding, in capitals: Seurat would look for a column
#' `cellport_label` in a reduction whose key is `cellport_`.
#' @noRd
embedding_key <- function(key) {
  paste0(toupper(gsub("[^A-Za-z0-9]", "", sub("^X_", "", key))), "_")
}

#' Make arrays of one axis plain vectors, all the way down.
#' @noRd
plain <- function(value, hide) {
  if (is.list(value)) {
    return(lapply(value, plain, hide))
  }
  value <- as.vector(value)
  if (is.character(value)) without(value, hide) else value
}
