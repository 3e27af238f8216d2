# options of `cellport map` by name and kind; those with another name there say so in `flags`
option_kinds <- c(
  genome = "text", device = "text", threads = "whole", block_cells = "whole",
  minimum_genes = "number", any_organism = "flag", orthologs = "flag", rescale_genes = "flag",
  fractional_counts = "flag", neighbors = "whole", several_labels = "flag",
  probabilities = "flag", also = "each", novel_groups = "flag", merge_labels = "flag",
  cell_ontology = "flag",
  crosswalk = "file", ontology = "file", cellxgene = "flag", groups = "text", report = "file",
  lineage_genes = "file", corrected_expression = "texts", corrected_batch = "text",
  pseudobulk = "texts"
)

# options of the command line that an R session cannot use, and why
elsewhere <- c(
  with_counts = "your object holds the counts already",
  dask = "it writes a folder of Parquet files",
  workers = "it belongs to --dask",
  part_cells = "it belongs to --dask",
  json = "R reads the result itself"
)

#' Turn options given by name into arguments of the command line.
#'
#' @param given List of values by name; NULL and FALSE leave an option out.
#' @noRd
option_arguments <- function(given) {
  names <- names(given)
  if (length(given) && (is.null(names) || any(!nzchar(names)))) {
    refuse("Options of map_cells() are given by name, as in threads = 4.")
  }
  if (anyDuplicated(names)) {
    refuse("The option '", names[duplicated(names)][1], "' is given twice.")
  }
  unlist(lapply(names, function(name) one_option(name, given[[name]])))
}

#' @noRd
one_option <- function(name, value) {
  if (name %in% names(elsewhere)) {
    refuse("'", name, "' is for the command line alone: ", elsewhere[[name]], ".")
  }
  if (!name %in% names(option_kinds)) {
    refuse("map_cells() has no option '", name, "'. ", hint(name, names(option_kinds)))
  }
  if (is.null(value)) {
    return(NULL)
  }
  flag <- paste0("--", gsub("_", "-", name))
  kind <- option_kinds[[name]]
  if (kind == "flag") {
    return(if (checked(name, value, kind)) flag)
  }
  if (kind == "each") {
    return(paste0(flag, "=", checked(name, value, kind)))
  }
  # in one word, so that a value is never taken for an option
  paste0(flag, "=", as_text(checked(name, value, kind), kind))
}

#' @noRd
checked <- function(name, value, kind) {
  one <- length(value) == 1 && !is.na(value[1])
  fits <- switch(kind,
    flag = one && is.logical(value),
    whole = one && is.numeric(value) && value == round(value),
    number = one && is.numeric(value),
    texts = ,
    each = is.character(value) && length(value) > 0 && !anyNA(value),
    one && is.character(value)
  )
  wanted <- c(
    flag = "TRUE or FALSE", whole = "a whole number", number = "a number",
    texts = "one or more names", each = "one or more names", text = "one name", file = "the path of a file"
  )
  if (!fits) {
    refuse("The option '", name, "' takes ", wanted[[kind]], ".")
  }
  value
}

#' @noRd
as_text <- function(value, kind) {
  switch(kind,
    whole = format(value, scientific = FALSE),
    number = format(value, digits = 15, scientific = FALSE),
    file = path.expand(value),
    paste(value, collapse = ",")
  )
}
