# propeller (Phipson et al. 2022; its functions as speckle 1.8 has them) by limma, and DESeq2
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[2]
read <- function(name) as.matrix(read.csv(file.path(folder, name), header = FALSE))
write_rows <- function(x, name) write.table(x, file.path(folder, name), sep = ",",
                                            row.names = FALSE, col.names = FALSE)
if (arguments[1] == "propeller") {
  suppressMessages(library(limma))
  cells <- read("cells.csv")  # a row a sample, cohorts one after the other; first column: cohort
  side <- read("side.csv")[, 1]
  found <- NULL
  for (cohort in unique(cells[, 1])) {
    rows <- cells[, 1] == cohort
    counts <- t(cells[rows, -1])
    proportions <- t(t(counts + 0.5) / colSums(counts + 0.5))
    transformed <- log(proportions / (1 - proportions))
    design <- cbind(1, side[rows])
    fit <- eBayes(lmFit(transformed, design), robust = TRUE)
    found <- rbind(found, fit$p.value[, 2])
  }
  write_rows(found, "p.csv")
} else {
  suppressMessages(library(DESeq2))
  side <- factor(read("side.csv")[, 1])
  data <- DESeqDataSetFromMatrix(t(read("counts.csv")), data.frame(side), ~side)
  data <- suppressMessages(DESeq(data, quiet = TRUE))
  found <- results(data)
  write_rows(cbind(found$log2FoldChange, found$pvalue, found$padj), "genes.csv")
}
