process CELLPORT_MAP {
    tag "$meta.id"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container "${ workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container ?
        'https://depot.galaxyproject.org/singularity/cellport:0.1.0--pyhdfd78af_0':
        'quay.io/biocontainers/cellport:0.1.0--pyhdfd78af_0' }"

    input:
    tuple val(meta), path(counts)
    path atlas

    output:
    tuple val(meta), path("${prefix}.mapped.h5ad"), emit: h5ad
    tuple val(meta), path("${prefix}.mapped.json"), emit: json
    tuple val(meta), path("${prefix}.mapped.html"), emit: html
    tuple val("${task.process}"), val('cellport'), eval("cellport --version | sed 's/cellport //'"), topic: versions, emit: versions_cellport

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    cellport map \\
        ${atlas} \\
        ${counts} \\
        -o ${prefix}.mapped.h5ad \\
        --report ${prefix}.mapped.html \\
        --threads ${task.cpus} \\
        --json \\
        ${args} \\
        > ${prefix}.mapped.json
    """

    stub:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    echo ${args}

    touch ${prefix}.mapped.h5ad
    touch ${prefix}.mapped.json
    touch ${prefix}.mapped.html
    """
}
