"""``python -m cellport``."""

from cellport.cli import main

main()
