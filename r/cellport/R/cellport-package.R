#' @keywords internal
#' @importClassesFrom Matrix dgCMatrix
"_PACKAGE"
