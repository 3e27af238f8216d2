"""Models of other packages, converted: their own answers, and their speed, against cellport's.

``make_fixtures.py`` and the modules that it takes from (``cells.py``, ``celltypist_models.py``,
``scvi_models.py``, ``refused_models.py``, ...) run in an environment with those packages and import
nothing of cellport; they write ``tests/data/foreign``. ``__main__.py`` compares on real cells.
"""
