library(testthat)
library(cellport)

test_check("cellport")
