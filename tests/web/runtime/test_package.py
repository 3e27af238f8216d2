"""The npm package gives answers and sentences of `cellport map`, under Node and in Chromium."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from visits import served, visit

from cellport.demo import write_sample
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.atlas.seal import unsealed
from cellport.runtime.columns import LABEL, PROB
from cellport.runtime.errors import CellportError
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.version import __version__

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PACKAGE = ROOT / "web" / "runtime"
PAGE = ROOT / "web" / "page"
EXAMPLES = ROOT / "examples"
SHIPPED = ROOT / "models" / "pretrained"
LARGEST = 400_000
NEAR = 1e-4


def run(*command: str | Path, cwd: Path, wanted: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == wanted, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None or not (PAGE / "node_modules").is_dir():
        pytest.skip("the package is built with npm, and `npm install` in web/page/")
    folder = tmp_path_factory.mktemp("packed")
    run("npm", "pack", "--silent", "--pack-destination", folder, cwd=PACKAGE)
    (found,) = folder.glob("*.tgz")
    return found


@pytest.fixture(scope="module")
def project(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the package, and with its peer out of the registry."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    (peer,) = json.loads((PACKAGE / "package.json").read_text())["peerDependencies"].items()
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    run("npm", "install", *quiet, packed, "@".join(peer), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return load_atlas(SHIPPED / "lung.cellport")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of the demonstration."""
    return write_sample(tmp_path_factory.mktemp("sample"))[1]


@pytest.fixture(scope="module")
def degraded(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with half of the genes, two fifths of the counts, and one cell empty."""
    adata = anndata.read_h5ad(cells)
    rng = np.random.default_rng(0)
    some = adata[:, np.sort(rng.permutation(adata.n_vars)[: adata.n_vars // 2])].copy()
    counts = sp.csr_matrix(some.X)
    counts.data = rng.binomial(counts.data.astype(np.int64), 0.4).astype(np.float32)
    counts.data[counts.indptr[3] : counts.indptr[4]] = 0
    counts.eliminate_zeros()
    some.layers["counts"] = counts
    some.X = np.log1p(counts.toarray() / 3)  # which is passed over, with a note
    path = tmp_path_factory.mktemp("degraded") / "degraded.h5ad"
    some.write_h5ad(path)
    return path


def answers(project: Path, tmp_path: Path, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    shutil.copy(HERE / "answers.mjs", project)
    (tmp_path / "cases.json").write_text(json.dumps(cases, default=str))
    done = run("node", "answers.mjs", tmp_path / "cases.json", cwd=project)
    assert not done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def assert_same(found: dict[str, Any], mapping: Any) -> None:
    assert found["cells"] == list(mapping.cell_names)
    assert found["labels"] == list(mapping[LABEL])
    assert len(set(found["labels"])) > 5
    np.testing.assert_allclose(found["prob"], mapping[PROB], atol=NEAR)


def test_it_is_small_and_holds_what_it_says(packed: Path) -> None:
    assert packed.stat().st_size < LARGEST
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    assert {"package.json", "README.md", "dist/index.js", "dist/LICENSE"} <= names
    assert not [name for name in names if name.endswith((".wasm", ".map"))]
    stated = json.loads((PACKAGE / "package.json").read_text())
    assert stated["version"] == __version__
    needed = json.loads((PAGE / "package.json").read_text())["dependencies"]
    for name, version in {**stated["dependencies"], **stated["peerDependencies"]}.items():
        assert needed[name] == version


def test_it_tells_of_the_atlas_what_python_does(
    project: Path, atlas: Atlas, tmp_path: Path
) -> None:
    (found,) = answers(project, tmp_path, {"way": "open", "atlas": atlas.file.path})
    assert found["name"] == atlas.file.manifest.name
    assert found["sha256"] == atlas.file.sha256
    assert found["labels"] == list(atlas.file.manifest.labels)
    assert found["genes"] == len(atlas.panel.symbols)
    assert found["card"] == bytes(atlas.file.read("README.md")).decode()
    with zipfile.ZipFile(atlas.file.path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert found["manifest"] == manifest | {"sha256": atlas.file.sha256}


@pytest.mark.parametrize("which", ["cells", "degraded"])
def test_the_example_writes_what_map_writes(
    which: str, project: Path, atlas: Atlas, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    query = request.getfixturevalue(which)
    shutil.copy(EXAMPLES / "map_cells.mjs", project)
    done = run("node", "map_cells.mjs", atlas.file.path, query, cwd=project)
    (tmp_path / "node.csv").write_text(done.stdout)
    atlas.map(query).write(tmp_path / "python.csv")
    found, expected = (
        pd.read_csv(tmp_path / f"{one}.csv", index_col=0, keep_default_na=False)
        for one in ("node", "python")
    )
    assert list(found.columns) == list(expected.columns)
    assert list(found.index) == list(expected.index)
    for name, column in expected.items():
        if column.dtype.kind == "f":
            difference = np.abs(found[name] - column) / np.maximum(1, np.abs(column))
            assert difference.max() < NEAR, name
        else:
            assert list(found[name]) == list(column), name
    assert ("empty" in set(found["cellport_qc"])) == (which == "degraded")


@pytest.mark.parametrize("page", ["docs/npm.md", "docs/embed.md", "web/runtime/README.md"])
def test_what_the_docs_show_runs(page: str, project: Path, atlas: Atlas, cells: Path) -> None:
    shown = re.findall(r"```js\n(import .*?)```", (ROOT / page).read_text(), re.DOTALL)[0]
    shutil.copy(atlas.file.path, project / "lung.cellport")
    shutil.copy(cells, project / "my_cells.h5ad")
    told = "\nconsole.log(JSON.stringify(texts(mapping, 'cellport_label')));\n"
    (project / "shown.mjs").write_text(shown + told)
    done = run("node", "shown.mjs", cwd=project)
    assert json.loads(done.stdout) == list(atlas.map(cells)[LABEL])


def test_every_way_gives_the_same(
    project: Path, atlas: Atlas, degraded: Path, tmp_path: Path
) -> None:
    adata = anndata.read_h5ad(degraded)
    counts = sp.csr_matrix(adata.layers["counts"])
    given = {
        "indptr": counts.indptr.tolist(),
        "indices": counts.indices.tolist(),
        "data": counts.data.tolist(),
        "genes": list(adata.var_names),
        "cells": list(adata.obs_names),
    }
    case = {"atlas": atlas.file.path, "query": degraded, "options": {}}
    ways = [{"way": way, **case} for way in ("path", "bytes", "blocks", "twice")]
    *found, twice, memory = answers(
        project, tmp_path, *ways, {"way": "counts", **case, "counts": given}
    )
    mapping = atlas.map(degraded)
    for one in (*found, memory):
        assert_same(one, mapping)
    assert twice == {"same": True}
    notes = [note.replace(f"{degraded.parent}/", "") for note in mapping.uns["cellport"]["notes"]]
    assert found[0]["notes"] == notes
    assert len(notes) == 1
    assert memory["countsFrom"] == "the matrix in memory"


def test_blocks_of_many_cells(project: Path, atlas: Atlas, cells: Path, tmp_path: Path) -> None:
    adata = anndata.concat(
        {str(i): anndata.read_h5ad(cells) for i in range(40)}, index_unique="-", merge="same"
    )
    adata.write_h5ad(tmp_path / "many.h5ad")
    case = {"atlas": atlas.file.path, "query": tmp_path / "many.h5ad"}
    blocks, whole = answers(project, tmp_path, {"way": "blocks", **case}, {"way": "path", **case})
    assert_same(blocks, atlas.map(tmp_path / "many.h5ad"))
    assert blocks["labels"] == whole["labels"]
    assert blocks["prob"] == whole["prob"]
    assert len(blocks["sizes"]) > 2
    n = adata.n_obs
    assert blocks["progress"] == [[done, n] for done in np.cumsum([0, *blocks["sizes"]]).tolist()]


def python_says(atlas: Path, query: Any, **options: Any) -> str:
    try:
        load_atlas(atlas).map(query, **options)
    except CellportError as error:
        return str(error)
    raise AssertionError("Python takes it")


def test_what_is_wrong_is_said_as_python_says_it(
    project: Path, atlas: Atlas, cells: Path, tmp_path: Path
) -> None:
    path = atlas.file.path
    adata = anndata.read_h5ad(cells)
    adata.X = sp.csr_matrix(adata.X).log1p()
    adata.write_h5ad(tmp_path / "logged.h5ad")
    adata = anndata.read_h5ad(cells)
    adata.var_names = [f"nothing{i}" for i in range(adata.n_vars)]
    adata.write_h5ad(tmp_path / "strange.h5ad")
    files = [tmp_path / "logged.h5ad", tmp_path / "strange.h5ad"]
    genes = list(atlas.panel.symbols)
    good = sp.csr_matrix(np.eye(4, len(genes), dtype=np.float32))
    given = {
        "indptr": good.indptr.tolist(),
        "indices": good.indices.tolist(),
        "data": good.data.tolist(),
        "genes": genes,
    }
    outside = given | {"indices": [0, 1, 2, len(genes)]}
    wrong = [outside, given | {"indptr": [0, 1, 2, 3, 9]}, given | {"cells": ["a", "b"]}]
    found = answers(
        project,
        tmp_path,
        *[{"way": "path", "atlas": path, "query": file} for file in files],
        *[{"way": "counts", "atlas": path, "counts": counts} for counts in wrong],
        {"way": "path", "atlas": path, "query": cells, "options": {"layer": "nope"}},
        {"way": "path", "atlas": path, "query": cells, "options": {"layr": "nope"}},
        {"way": "path", "atlas": path, "query": cells, "options": {"minimumGenes": "1"}},
        {"way": "path", "atlas": path, "query": tmp_path / "none.h5ad"},
    )
    beyond, pointers = (
        sp.csr_matrix((good.data, good.indices.copy(), good.indptr.copy()), good.shape)
        for _ in range(2)
    )
    beyond.indices[3], pointers.indptr[4] = len(genes), 9
    expected = [
        *[python_says(path, file).replace(f"{tmp_path}/", "") for file in files],
        python_says(path, (beyond, genes)),
        python_says(path, (pointers, genes)),
        python_says(path, (good, genes, ["a", "b"])),
        python_says(path, cells, layer="nope").replace(f"{cells.parent}/", ""),
    ]
    assert {one["error"] for one in found} == {"InputError"}
    said = [one["sentence"] for one in found]
    assert said[: len(expected)] == expected
    assert "no option 'layr'; there are layer, genome" in said[-3]
    assert "'minimumGenes' is a number" in said[-2]
    assert said[-1] == f"There is no {tmp_path / 'none.h5ad'}."


def test_forged_atlases_are_refused_as_python_refuses_them(
    project: Path, atlas: Atlas, tmp_path: Path
) -> None:
    whole = atlas.file.path.read_bytes()
    changed = {
        "cut": whole[:-1],
        "flipped": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "other": b"hello" * 100,
        "foreign": forged(whole, {"setup.py": b"x"}),
        "damaged": forged(whole, {"README.md": b"x"}),
        "lacking": forged(whole, {"arrays/basis.npy": None}),
        "no manifest": forged(whole, {"manifest.json": None}),
        "no json": forged(whole, {"manifest.json": b"{"}),
        "packed": forged(whole, {}, zipfile.ZIP_DEFLATED),
        "twice": forged(whole, {}, again="README.md"),
    }
    paths = [tmp_path / f"{name}.cellport" for name in changed]
    for path, data in zip(paths, changed.values(), strict=True):
        path.write_bytes(data)
    found = answers(project, tmp_path, *[{"way": "open", "atlas": path} for path in paths])
    for path, one in zip(paths, found, strict=True):
        with pytest.raises(CellportError) as refused:
            open_atlas_file(path)
        assert one["error"] == "AtlasError", path
        assert one["sentence"] == str(refused.value).replace(f"{tmp_path}/", ""), path


def forged(
    whole: bytes, changed: dict[str, bytes | None], how: int = zipfile.ZIP_STORED, again: str = ""
) -> bytes:
    """An atlas with other members, or fewer, under a right seal."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(out, "w", how) as new:
        members = {name: old.read(name) for name in old.namelist()} | changed
        names = [name for name, data in members.items() if data is not None]
        for name in [*names, again] if again else names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                new.writestr(name, members[name] or b"")
        new.comment = unsealed()
    data = out.getvalue()[:-64]
    return data + hashlib.sha256(data).hexdigest().encode()


@pytest.mark.parametrize(("module", "how"), [("NodeNext", "NodeNext"), ("ESNext", "Bundler")])
def test_its_types_are_whole(module: str, how: str, project: Path) -> None:
    shutil.copy(HERE / "uses.ts", project)
    options = {
        "strict": True,
        "noEmit": True,
        "target": "ES2022",
        "lib": ["ES2022", "DOM"],
        "types": [],
        "module": module,
        "moduleResolution": how,
    }
    stated = {"compilerOptions": options, "files": ["uses.ts"]}
    (project / "tsconfig.json").write_text(json.dumps(stated))
    run("node", PAGE / "node_modules" / "typescript" / "bin" / "tsc", cwd=project)


def test_the_static_page_maps_and_asks_nobody(
    project: Path, atlas: Atlas, cells: Path, tmp_path: Path
) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("the visit needs chromium")
    page = EXAMPLES / "static_page" / "index.html"
    assert len(page.read_text().splitlines()) <= 40
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(page, site)
    shutil.copy(atlas.file.path, site / "atlas.cellport")
    (site / "node_modules").symlink_to(project / "node_modules")
    bad = tmp_path / "bad.h5ad"
    bad.write_bytes(cells.read_bytes()[:20_000])
    with served(site) as address:
        out = visit(
            f"{address}/",
            tmp_path,
            ["evaluate", ["ready", until("!document.querySelector('#picker').disabled")]],
            ["choose", [str(cells)]],
            ["evaluate", ["mapped", until("said.includes('mapped')")]],
            ["text", ["types", "#types"]],
            ["choose", [str(bad)]],
            ["evaluate", ["bad", until("said.includes('bad.h5ad')")]],
            limit=300,
        )
    assert out["said"] == []
    assert {url.split("/")[2] for url in out["requests"] if url.startswith("http")} == {
        address.removeprefix("http://")
    }
    assert out["values"]["ready"] == f"lung knows {len(atlas.manifest.labels)} types."
    assert out["values"]["mapped"].startswith("131 cells are mapped.")
    assert "truncated" in out["values"]["bad"]
    told = dict(line.rsplit(": ", 1) for line in out["values"]["types"].splitlines())
    called = pd.Series(list(atlas.map(cells)["cellport_call"])).value_counts()
    assert {name: int(n) for name, n in told.items()} == called.to_dict()


def until(condition: str) -> str:
    """Code that waits for something and tells what the page says then."""
    return f"""new Promise((resolve) => setInterval(() => {{
      const said = document.querySelector("#said").textContent;
      if ({condition}) resolve(said);
    }}, 50))"""
