#' Cells of the human lung
#'
#' Raw counts of 200 cells of the healthy human lung, measured with 10x (v2) and Smart-seq2, for
#' trying [map_cells()].
#'
#' @format A `dgCMatrix`, 4,000 genes x 200 cells, with the symbols of the genes and the
#'   names of the cells.
#' @source Travaglini KJ, Nabhan AN, Penland L, et al. "A molecular cell atlas of the human lung
#'   from single-cell RNA sequencing." Nature 587, 619-625 (2020): every fifth cell of the sample in
#'   the source distribution of PopV 0.4.1 (MIT licence, copyright (c) 2023 Can Ergen).
"lung_demo"
