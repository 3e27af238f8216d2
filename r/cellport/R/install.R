#' Install the command-line tool
#'
#' Makes a Python environment of its own, which nothing else uses, and installs `cellport` there.
#' Once is enough; run it again to upgrade.
#'
#' @param source What to install: `cellport[cpu]`, a version of it (`cellport[cpu]==0.1.0`), or the
#'   path of a checkout or wheel with `[cpu]` behind it.
#' @param python Path of a Python 3.11 or newer, of which the environment is made; found on the
#'   `PATH` when NULL.
#' @return The path of the tool, invisibly.
#' @examples
#' \dontrun{
#' install_cellport()
#' }
#' @export
install_cellport <- function(source = "cellport[cpu]", python = NULL) {
  folder <- own_folder()
  fresh <- !dir.exists(folder)
  done <- FALSE
  on.exit(if (fresh && !done) unlink(folder, recursive = TRUE))
  if (fresh) {
    python <- if (is.null(python)) find_python() else new_enough(python)
    dir.create(dirname(folder), recursive = TRUE, showWarnings = FALSE)
    step(python, c("-m", "venv", folder), "make a Python environment")
  }
  install <- c("-m", "pip", "install", "--upgrade", "--disable-pip-version-check", source)
  step(own_program("python"), install, paste("install", source))
  step(own_tool(), "--version", "start cellport")
  done <- TRUE
  message("Installed: ", own_tool())
  invisible(own_tool())
}

#' @noRd
own_folder <- function() file.path(tools::R_user_dir("cellport", "data"), "python")

#' @noRd
own_program <- function(name) {
  windows <- .Platform$OS.type == "windows"
  file.path(
    own_folder(), if (windows) "Scripts" else "bin", paste0(name, if (windows) ".exe")
  )
}

#' @noRd
own_tool <- function() own_program("cellport")

# the newest first: what the oldest lack is no use
python_names <- c("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python")

#' @noRd
find_python <- function() {
  found <- Sys.which(python_names)
  found <- found[nzchar(found)]
  fits <- found[vapply(found, is_new_enough, logical(1))]
  if (!length(fits)) {
    refuse(
      "There is no Python 3.11 or newer on the PATH. Install one from https://www.python.org, or ",
      "say where it is: install_cellport(python = \"/path/to/python3\").",
      class = "cellport_tool_error"
    )
  }
  fits[[1]]
}

#' @noRd
is_new_enough <- function(python) {
  code <- "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
  run_program(python, c("-c", code), stdout = FALSE, stderr = FALSE) == 0
}

#' @noRd
new_enough <- function(python) {
  if (!is_new_enough(path.expand(python))) {
    refuse(
      "'", python, "' is no Python 3.11 or newer that has the modules venv and ensurepip.",
      class = "cellport_tool_error"
    )
  }
  path.expand(python)
}

#' Run a step of the installation, which shows what it does.
#' @noRd
step <- function(program, arguments, what) {
  status <- run_program(program, arguments)
  if (status != 0) {
    refuse(
      "Could not ", what, ": ", basename(program), " ended with status ", status,
      "; the lines above say why.",
      class = "cellport_tool_error"
    )
  }
}
