#' List the atlases known by name
#'
#' @return A data frame, a row an atlas: `name`, `description`, `size` in bytes, and `here`, whether
#'   it is on this machine; others are fetched when they are first used.
#' @examples
#' \dontrun{
#' atlases()
#' }
#' @export
atlases <- function() {
  known <- jsonlite::fromJSON(run_tool(c("atlases", "--json"))$out)
  known[c("name", "description", "size", "here")]
}
