with_settings <- function(option, variable, path, code) {
  old <- options(cellport.path = option)
  variables <- Sys.getenv(c("CELLPORT_PATH", "PATH", "R_USER_DATA_DIR"), names = TRUE, unset = "")
  on.exit({
    options(old)
    do.call(Sys.setenv, as.list(variables))
  })
  Sys.setenv(CELLPORT_PATH = variable, PATH = path, R_USER_DATA_DIR = tempfile())
  code
}

program <- function(name, lines = "exit 0") {
  skip_on_os("windows")
  file <- file.path(tempfile(), name)
  dir.create(dirname(file))
  writeLines(c("#!/bin/sh", lines), file)
  Sys.chmod(file, "755")
  file
}

test_that("the tool is looked for by option, variable, PATH and own environment, in this order", {
  one <- program("cellport")
  two <- program("cellport")
  three <- program("cellport")
  expect_identical(with_settings(one, two, dirname(three), cellport_path()), one)
  expect_identical(with_settings(NULL, two, dirname(three), cellport_path()), two)
  expect_identical(with_settings(NULL, "", dirname(three), cellport_path()), three)
  own <- function() {
    dir.create(dirname(cellport:::own_tool()), recursive = TRUE)
    file.copy(one, cellport:::own_tool())
    expect_identical(cellport_path(), cellport:::own_tool())
  }
  with_settings(NULL, "", "", own())
})

test_that("a tool that is not there is said to be, with what to do", {
  class <- "cellport_tool_error"
  expect_error(with_settings(NULL, "", "", cellport_path()), "install_cellport()", class = class)
  expect_error(with_settings("/nowhere", "", "", cellport_path()), "cellport.path", class = class)
  expect_error(with_settings(NULL, tempdir(), "", cellport_path()), "CELLPORT_PATH", class = class)
})

test_that("a fault of the tool is told apart from input that cannot be used", {
  failing <- function(status, ...) program("cellport", c(..., paste("exit", status)))
  run <- function(tool) with_settings(tool, "", Sys.getenv("PATH"), cellport:::run_tool("map"))
  bad <- failing(2, "echo 'a note' >&2", "echo 'Error: The atlas is damaged.' >&2")
  expect_error(run(bad), "^The atlas is damaged.$", class = "cellport_input_error")
  expect_error(run(failing(1, "echo 'Error: Unexpected' >&2")), class = "cellport_fault")
  expect_error(run(failing(130, "echo 'Error: Stopped' >&2")), class = "cellport_stopped")
  expect_error(run(failing(137)), "ended with status 137", class = "cellport_fault")
})

test_that("arguments reach the tool as they are", {
  tool <- program("cellport", "for one in \"$@\"; do echo \"$one\"; done")
  given <- c("a b", "it's", "$HOME", "\"quoted\"", "*")
  found <- with_settings(tool, "", Sys.getenv("PATH"), cellport:::run_tool(given))
  expect_identical(found$out, given)
})

test_that("atlases are listed", {
  skip_without_tool()
  known <- atlases()
  expect_true(all(c("lung", "blood") %in% known$name))
  expect_true(all(known$here[known$name == "lung"]))
})

test_that("a Python finds the libraries that it brings along, not those of the system", {
  skip_on_os("windows")
  tool <- program("cellport", "echo \"$LD_LIBRARY_PATH\"")
  old <- Sys.getenv("LD_LIBRARY_PATH", NA)
  on.exit(if (is.na(old)) Sys.unsetenv("LD_LIBRARY_PATH") else Sys.setenv(LD_LIBRARY_PATH = old))
  given <- paste0(R.home("lib"), ":/usr/lib/x86_64-linux-gnu:/opt/mine")
  Sys.setenv(LD_LIBRARY_PATH = given)
  found <- with_settings(tool, "", Sys.getenv("PATH"), cellport:::run_tool("map"))
  expect_identical(found$out, "/opt/mine")
  expect_identical(Sys.getenv("LD_LIBRARY_PATH"), given)
})
