"""What every other room stands on: processors, files, hints, optional packages."""
