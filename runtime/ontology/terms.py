"""An ontology of cell types: the Cell Ontology that comes with the package, or an OBO file."""

from __future__ import annotations

import lzma
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cellport.runtime.errors import InputError

_SHIPPED = Path(__file__).parent / "data" / "cell_ontology.tsv.xz"
_SYNONYM = re.compile(r'"((?:[^"\\]|\\.)*)" EXACT')
# so broad that CELLxGENE refuses them (schema 5.2.0, cell_type_ontology_term_id)
_TOO_BROAD = frozenset({"CL:0000255", "CL:0000257", "CL:0000548"})
# in the place of a successor: obsolete, and none is named
_NONE = "-"


@dataclass(frozen=True, slots=True)
class Ontology:
    """Terms by id, such as ``CL:0000084``."""

    names: Mapping[str, str]
    parents: Mapping[str, tuple[str, ...]]  # by ``is_a``
    # the term that took the place of an obsolete one; '' where none is named
    successors: Mapping[str, str] = field(default_factory=dict)
    # terms by name and exact synonym, as `plain` has them; names go before synonyms, and what
    # several terms are called is left out
    by_name: Mapping[str, str] = field(default_factory=dict)

    def current(self, term: str) -> str:
        """Return the term itself, or what took its place; '' where nothing did or none is known."""
        seen: set[str] = set()
        while term in self.successors and term not in seen:
            seen.add(term)
            term = self.successors[term]
        return term if term in self.names and term not in self.successors else ""

    def ancestors(self, term: str) -> set[str]:
        """Return a term and everything that it is a kind of."""
        found: set[str] = set()
        ahead = [term]
        while ahead:
            one = ahead.pop()
            if one not in found:
                found.add(one)
                ahead.extend(self.parents.get(one, ()))
        return found

    def common_ancestor(self, terms: Iterable[str]) -> str:
        """Return the narrowest term that all of some are kinds of; '' where there is none.

        Of several of which none is a kind of another, the one with most terms above it, and of
        equals the first by id.
        """
        above = [self.ancestors(term) for term in terms]
        shared = set.intersection(*above) & self.names.keys() if above else set()
        shared -= _TOO_BROAD
        broader = {other for one in shared for other in self.ancestors(one) - {one}}
        narrowest = sorted(shared - broader, key=lambda one: (-len(self.ancestors(one)), one))
        return narrowest[0] if narrowest else ""


def plain(name: str) -> str:
    """Return a name without capitals, underscores, doubled spaces and the plural's s."""
    words = name.lower().replace("_", " ").split()
    if words and len(words[-1]) > 3 and words[-1].endswith("s"):
        words[-1] = words[-1][:-1]
    return " ".join(words)


@cache
def shipped_ontology() -> Ontology:
    """Read the Cell Ontology of ``data/README.md``."""
    text = lzma.decompress(_SHIPPED.read_bytes()).decode()
    rows = [line.split("\t") for line in text.splitlines()]
    return _made(
        {term: name for term, name, *_ in rows},
        {term: tuple(above.split(",")) if above else () for term, _, above, *_ in rows},
        {term: "" if after == _NONE else after for term, _, _, after, _ in rows if after},
        {term: other.split("|") if other else [] for term, *_, other in rows},
    )


def read_obo(path: str | os.PathLike[str]) -> Ontology:
    """Read the terms of an OBO file.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The ontology {path} cannot be read ({error}).") from None
    names: dict[str, str] = {}
    parents: dict[str, tuple[str, ...]] = {}
    successors: dict[str, str] = {}
    synonyms: dict[str, list[str]] = {}
    for stanza in text.split("\n[")[1:]:
        fields = [line.partition(": ")[::2] for line in stanza.splitlines()]
        term = next((value.strip() for key, value in fields if key == "id"), None)
        if term is None or not stanza.startswith("Term]"):
            continue

        def of(wanted: str, fields: list[tuple[str, str]] = fields) -> list[str]:
            return [value.strip() for key, value in fields if key == wanted]

        names[term] = next(iter(of("name")), term)
        parents[term] = tuple(value.split(" ")[0] for value in of("is_a"))
        if of("is_obsolete") == ["true"]:
            successors[term] = next((value.split(" ")[0] for value in of("replaced_by")), "")
        synonyms[term] = [found[1] for value in of("synonym") if (found := _SYNONYM.match(value))]
    return _made(names, parents, successors, synonyms)


def _made(
    names: dict[str, str],
    parents: dict[str, tuple[str, ...]],
    successors: dict[str, str],
    synonyms: dict[str, list[str]],
) -> Ontology:
    by_name: dict[str, str] = {}
    own = [(plain(name), term) for term, name in names.items() if term not in successors]
    other = [
        (plain(name), term)
        for term, known in synonyms.items()
        if term not in successors
        for name in {*known}
    ]
    for pairs in (own, other):
        several = Counter(name for name, _ in {*pairs})
        for name, term in pairs:
            if several[name] == 1:
                by_name.setdefault(name, term)
    return Ontology(names, parents, successors, by_name)
