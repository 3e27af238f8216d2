#!/usr/bin/env cwl-runner
cwlVersion: v1.2
class: CommandLineTool
label: Map single cells onto a reference atlas
doc: |
  Maps the cells of raw counts onto a cellport atlas in one pass: labels with calibrated probabilities, cells
  unlike the atlas, latent coordinates, and where the atlas has them clusters and pseudotime. Inputs and outputs
  are called as in the annotation tools of the Human Reference Atlas: a matrix goes in, an annotated matrix and a
  report come out.

hints:
  DockerRequirement:
    dockerPull: quay.io/biocontainers/cellport:0.1.0--pyhdfd78af_0
  SoftwareRequirement:
    packages:
      cellport:
        version: ["0.1.0"]
  ResourceRequirement:
    coresMin: 2
    ramMin: 1000

baseCommand: [cellport, map]
arguments:
  - prefix: --threads
    valueFrom: $(runtime.cores)
  - prefix: --out
    valueFrom: annotated_matrix.h5ad
  - prefix: --report
    valueFrom: report.html
  - --json

inputs:
  atlas:
    type: File
    label: Atlas file (.cellport)
    inputBinding:
      position: 1
  matrix:
    type: File
    label: Raw counts of the cells to annotate, in h5ad format
    inputBinding:
      position: 2
  with_counts:
    type: boolean
    default: true
    label: Copy the counts into the annotated matrix
    inputBinding:
      prefix: --with-counts
  layer:
    type: string?
    label: Where the raw counts are, X, raw or a layer; found by itself where nothing is given
    inputBinding:
      prefix: --layer
  cell_ontology:
    type: boolean?
    label: Add the term of the Cell Ontology that each cell is called
    inputBinding:
      prefix: --cell-ontology
  crosswalk:
    type: File?
    label: The same, with a table of labels and terms, .csv or .tsv
    inputBinding:
      prefix: --crosswalk
  probabilities:
    type: boolean?
    label: Add the probability of every label
    inputBinding:
      prefix: --probabilities

stdout: report.json

outputs:
  annotated_matrix:
    type: File
    label: The cells with what was computed for each
    outputBinding:
      glob: annotated_matrix.h5ad
  report:
    type: stdout
    label: Cells by call and by quality, matched genes and notes, as JSON
  page:
    type: File
    label: A report to read in a browser, which loads nothing from anywhere
    outputBinding:
      glob: report.html
