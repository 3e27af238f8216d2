#' Stop with a sentence of the family `cellport_error`.
#'
#' @param ... Parts of the sentence.
#' @param class More classes of the condition.
#' @noRd
refuse <- function(..., class = "cellport_input_error") {
  stop(errorCondition(paste0(...), class = c(class, "cellport_error")))
}

#' Name the choices, and those first that are spelled nearly so.
#' @noRd
hint <- function(given, known) {
  if (!length(known)) {
    return("There are none.")
  }
  distance <- utils::adist(given, known, ignore.case = TRUE)[1, ]
  near <- known[distance <= max(2, nchar(given) %/% 4)]
  if (length(near)) {
    paste0("Did you mean ", paste0("'", near, "'", collapse = " or "), "?")
  } else {
    paste0("There are: ", paste0("'", known, "'", collapse = ", "), ".")
  }
}
