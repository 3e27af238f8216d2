"""Mapping on a Dask cluster: ranges of files to the parts of one Parquet dataset."""
