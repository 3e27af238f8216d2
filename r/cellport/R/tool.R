#' Where the command-line tool is.
#'
#' Looked for in this order: the option `cellport.path`, the environment variable `CELLPORT_PATH`,
#' the `PATH`, and what [install_cellport()] installed.
#'
#' @return The path of the tool, one text. An error of class `cellport_tool_error` says what to do
#'   where it is not there.
#' @examples
#' try(cellport_path())
#' @export
cellport_path <- function() {
  named <- c(
    "option 'cellport.path'" = getOption("cellport.path", ""),
    "environment variable CELLPORT_PATH" = Sys.getenv("CELLPORT_PATH")
  )
  named <- named[nzchar(named)]
  if (length(named)) {
    return(named_tool(names(named)[1], named[[1]]))
  }
  found <- c(Sys.which("cellport")[[1]], own_tool())
  found <- found[nzchar(found) & file.exists(found)]
  if (!length(found)) {
    refuse(
      "The tool 'cellport' is not installed. Run install_cellport() once; or, where it is ",
      "installed already, say where: options(cellport.path = \"/path/to/cellport\").",
      class = "cellport_tool_error"
    )
  }
  found[1]
}

#' @noRd
named_tool <- function(by, path) {
  path <- path.expand(path)
  if (!file.exists(path) || dir.exists(path) || file.access(path, 1) != 0) {
    refuse(
      "There is no program '", path, "', which the ", by, " names. Correct it, or leave it unset ",
      "and run install_cellport().",
      class = "cellport_tool_error"
    )
  }
  path
}

#' Run the tool to its end.
#'
#' @param arguments Arguments, one text each.
#' @param hide A folder of ours, which is left out of what the tool says.
#' @return List of `said` (lines of stderr) and `out` (lines of stdout).
#' @noRd
run_tool <- function(arguments, hide = NULL) {
  said <- tempfile("cellport-said-")
  printed <- tempfile("cellport-printed-")
  on.exit(unlink(c(said, printed)))
  # sentences are read by line, in any terminal
  status <- run_program(cellport_path(), arguments,
    stdout = printed, stderr = said, env = c("NO_COLOR=1", "COLUMNS=10000", "PYTHONUTF8=1")
  )
  lines <- without(read_lines(said), hide)
  if (status != 0) {
    fail(status, lines)
  }
  list(said = lines, out = read_lines(printed))
}

#' Run a program that is none of R's.
#'
#' @return Its exit status.
#' @noRd
run_program <- function(program, arguments, env = character(), ...) {
  quoting <- if (.Platform$OS.type == "windows") "cmd" else "sh"
  # R puts folders of the system in front of what a Python brings along, such as its OpenSSL
  old <- Sys.getenv("LD_LIBRARY_PATH", NA)
  if (!is.na(old)) {
    on.exit(Sys.setenv(LD_LIBRARY_PATH = old))
    Sys.setenv(LD_LIBRARY_PATH = without_own_folders(old))
  }
  suppressWarnings(system2(program, shQuote(arguments, quoting), env = env, ...))
}

#' Leave out folders that R added, or that are searched without being named.
#' @noRd
without_own_folders <- function(paths) {
  paths <- strsplit(paths, ":", fixed = TRUE)[[1]]
  paste(paths[!grepl("^/(usr/)?lib", paths) & !startsWith(paths, R.home())], collapse = ":")
}

#' @noRd
read_lines <- function(path) readLines(path, warn = FALSE, encoding = "UTF-8")

#' @noRd
without <- function(lines, folder) {
  if (is.null(folder)) lines else gsub(paste0(folder, "/"), "", lines, fixed = TRUE)
}

# what the tool's exit status means: 2 for input that cannot be used, 130 when stopped
fault_classes <- c("2" = "cellport_input_error", "130" = "cellport_stopped")

#' Stop with the sentence of the tool.
#' @noRd
fail <- function(status, lines) {
  told <- grep("^Error: ", lines, value = TRUE)
  sentence <- if (length(told)) {
    sub("^Error: ", "", told[length(told)])
  } else {
    paste(c(paste0("cellport ended with status ", status, "."), lines), collapse = "\n")
  }
  class <- fault_classes[as.character(status)]
  refuse(sentence, class = if (is.na(class)) "cellport_fault" else class[[1]])
}
