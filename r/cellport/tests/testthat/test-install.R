# a Python that does what each of its calls is told here to do
python <- function(lines) {
  skip_on_os("windows")
  file <- file.path(tempfile(), "python3")
  dir.create(dirname(file))
  writeLines(c("#!/bin/sh", lines), file)
  Sys.chmod(file, "755")
  file
}

in_own_folder <- function(code) {
  old <- Sys.getenv("R_USER_DATA_DIR")
  Sys.setenv(R_USER_DATA_DIR = tempfile())
  on.exit(Sys.setenv(R_USER_DATA_DIR = old))
  code
}

test_that("the environment is made, filled and tried", {
  # "-m venv FOLDER" makes an environment whose python writes the tool when pip is called
  fake <- python(c(
    "if [ \"$2\" = venv ]; then mkdir -p \"$3/bin\"; cp \"$0\" \"$3/bin/python\"; fi",
    "if [ \"$2\" = pip ]; then",
    "  for last; do :; done",
    "  printf '#!/bin/sh\\necho %s\\n' \"$last\" > \"$(dirname \"$0\")/cellport\"",
    "  chmod 755 \"$(dirname \"$0\")/cellport\"; fi"
  ))
  in_own_folder({
    expect_message(tool <- install_cellport("cellport[cpu]==9", python = fake), "Installed")
    expect_identical(tool, cellport:::own_tool())
    expect_identical(system2(tool, stdout = TRUE), "cellport[cpu]==9")
    # again is an upgrade, for which no Python is looked for
    expect_message(install_cellport("cellport[cpu]==10"), "Installed")
    expect_identical(system2(tool, stdout = TRUE), "cellport[cpu]==10")
  })
})

test_that("an installation that fails leaves nothing, and says at which step", {
  fake <- python(c(
    "if [ \"$2\" = venv ]; then mkdir -p \"$3/bin\"; cp \"$0\" \"$3/bin/python\"; fi",
    "if [ \"$2\" = pip ]; then exit 3; fi"
  ))
  in_own_folder({
    failed <- expect_error(install_cellport(python = fake), class = "cellport_tool_error")
    expect_match(conditionMessage(failed), "Could not install cellport[cpu]", fixed = TRUE)
    expect_false(dir.exists(cellport:::own_folder()))
  })
})

test_that("an old Python, or none, is refused", {
  in_own_folder({
    expect_error(install_cellport(python = python("exit 1")), "3.11", class = "cellport_tool_error")
    old <- Sys.getenv("PATH")
    on.exit(Sys.setenv(PATH = old))
    Sys.setenv(PATH = dirname(python("exit 1")))
    expect_error(install_cellport(), "on the PATH", class = "cellport_tool_error")
  })
})
