"""The style sheet of a report: light and dark, narrow and wide, on paper."""

from __future__ import annotations

from cellport.runtime.report.markup import Html, each

# Okabe and Ito's and Tol's colours, which colour-blind readers tell apart, darkened for white paper
# and lightened for a dark screen; without orange, which means unlike the atlas and nothing else
_LIGHT = (
    "#0067a5", "#6b4423", "#00835c", "#a3336f", "#8a7a00", "#2ca0d8", "#7d4fc4", "#c8102e",
)  # fmt: skip
_DARK = (
    "#4da3e8", "#a89078", "#2fbf8f", "#e07ab0", "#d3c04a", "#8fd3f5", "#b79af0", "#ff7a85",
)  # fmt: skip
# plasma (van der Walt and Smith), even steps of lightness for every kind of sight: without its
# yellow on white paper, without its dark blue on a dark screen
_TIMES_LIGHT = (
    "#0d0887", "#3c049b", "#6100a7", "#8606a6", "#a62098", "#c03a83", "#d5536f", "#e76e5b",
    "#f58c46", "#fcad32",
)  # fmt: skip
_TIMES_DARK = (
    "#8f0da4", "#a72197", "#bb3488", "#cc4778", "#da5b69", "#e76f5a", "#f1844b", "#f99d3a",
    "#fdb92c", "#f9dc24",
)  # fmt: skip


def style() -> Html:
    """Return the style sheet."""
    light, dark = (
        "".join(f"--{kind}{i}:{colour};" for kind, of in pair for i, colour in enumerate(of))
        for pair in ((("k", _LIGHT), ("t", _TIMES_LIGHT)), (("k", _DARK), ("t", _TIMES_DARK)))
    )
    times = [[f"t{i}"] for i in range(len(_TIMES_LIGHT))]
    kinds = [*([f"k{i}"] for i in range(len(_LIGHT))), ["kx"], ["ku"]]
    sheet = _SHEET.replace("/*light*/", light).replace("/*dark*/", dark)
    return (
        sheet
        + each(Html(".{0}{{background:var(--{0})}}path.{0}{{stroke:var(--{0})}}"), kinds + times)
        + Html("path{background:none}")
        + each(_FADE_OTHERS, kinds)
    )


# pointing at an entry of the legend
_FADE_OTHERS = Html(".mapbox:has(li.of-{0}:hover) path:not(.{0}):not(.ref){{stroke-opacity:.06}}")
_SHEET = Html("""
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#171b22;--quiet:#59616e;
--line:#dfe3e9;--track:#edf0f4;--link:#00558a;--ref:#c3c9d2;--sure:#0067a5;--broader:#6fb3e0;
--unknown:#9aa2ae;--warn:#8a4b00;--warnback:#fff4e2;--warnline:#e8a33d;--good:#bfe3d3;
--kx:#7a8290;--ku:#171b22;--new:#d65a00;/*light*/}
@media screen and (prefers-color-scheme:dark){:root{--page:#101318;--card:#181c23;--ink:#e9ecf1;
--quiet:#a3acba;--line:#2c323c;--track:#262c35;--link:#7cc0ff;--ref:#4a5260;--sure:#4da3e8;
--broader:#2b6ca3;--unknown:#76808f;--warn:#ffc777;--warnback:#2b2214;--warnline:#b9822e;
--good:#235a47;--kx:#98a1af;--ku:#fff;--new:#f08a3c;/*dark*/}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;overflow-wrap:break-word;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 24px}
header{padding-top:40px}
h1{font-size:30px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:20px;line-height:1.3;margin:0 0 8px}
h3{font-size:16px;margin:20px 0 4px}
p{margin:0 0 12px;max-width:74ch}
a{color:var(--link)}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
overflow-wrap:anywhere}
.name{overflow-wrap:anywhere}
.quiet,.note{color:var(--quiet)}
.note{font-size:14px}
.brand{color:var(--quiet);font-size:14px;margin:0 0 12px}
.lead{font-size:19px;line-height:1.55;margin:14px 0 22px;max-width:70ch}
section,.tiles>div,.first{background:var(--card);border:1px solid var(--line);border-radius:12px}
section{padding:22px 24px;margin:0 0 20px;scroll-margin-top:12px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:20px;align-items:stretch}
.pair section{margin:0;min-width:0}
.pair{margin:0 0 20px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px;
margin:0 0 20px;padding:0;list-style:none}
.tiles>div{padding:14px 18px}
.tiles dt{color:var(--quiet);font-size:14px}
.tiles dd{margin:0;font-size:28px;line-height:1.25;font-weight:650;letter-spacing:-.01em}
.tiles dd small{display:block;font-size:14px;font-weight:400;color:var(--quiet);letter-spacing:0}
.first ol{margin:0;padding-left:22px}
.first li{margin:0 0 8px;max-width:78ch}
.first li:last-child{margin:0}
.caution{border-left:4px solid var(--warnline);background:var(--warnback);border-radius:6px;
padding:10px 14px;margin:0 0 12px;max-width:80ch}
.caution strong{color:var(--warn)}
.caution.mild{border-color:var(--line);background:var(--track)}
.caution.mild strong{color:var(--ink)}
.sharebar{display:flex;gap:2px;height:22px;margin:14px 0 10px;border-radius:5px;overflow:hidden}
.sharebar span{min-width:2px}
.legend{list-style:none;margin:0 0 12px;padding:0;display:flex;flex-wrap:wrap;gap:4px 18px;
font-size:14px}
.legend li{overflow-wrap:anywhere}
.swatch{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px;flex:none}
.sure{background:var(--sure)}.broader{background:var(--broader)}.unknown{background:var(--unknown)}
.new{background:var(--new)}.refkey{background:var(--ref)}
.swatch.ring{background:none;border:2px solid var(--ink);border-radius:50%}
table{border-collapse:collapse;width:100%;font-size:15px;margin:0 0 12px}
caption{text-align:left;color:var(--quiet);font-size:14px;padding:0 0 6px}
th,td{padding:6px 8px;border-bottom:1px solid var(--line);text-align:right;
font-variant-numeric:tabular-nums;vertical-align:middle}
thead th{font-size:13px;font-weight:500;color:var(--quiet)}
th:first-child{text-align:left;font-weight:500;padding-left:0}
td:last-child,th:last-child{padding-right:0}
.types th:first-child{width:34%}.types td:nth-child(2){width:38%}
.types td:nth-child(2){text-align:left}
.facts td{text-align:left;overflow-wrap:anywhere}
.facts th{width:26%;min-width:9em;vertical-align:top}
.rowbar{display:flex;height:13px;gap:1px}
.rowbar span{border-radius:2px;min-width:2px}
.type{display:flex;align-items:baseline}
.mark{display:inline-block;min-width:1.9em;flex:none;color:var(--quiet);font-size:13px;
font-variant-numeric:tabular-nums}
.histogram{margin:14px 0 8px}
.bars{position:relative;display:flex;align-items:flex-end;gap:3px;height:170px;padding-top:20px;
border-bottom:1px solid var(--quiet)}
.bars>div{flex:1;height:100%;display:flex;flex-direction:column;justify-content:flex-end;
min-width:0}
.bars i{flex:none;min-height:2px}
.bars i:first-of-type{border-radius:3px 3px 0 0}
.bars b{font-weight:500;font-size:12px;line-height:18px;text-align:center;color:var(--quiet);
white-space:nowrap}
.bars hr{position:absolute;left:0;right:0;margin:0;border:0;border-top:2px dashed var(--ink)}
.ticks{display:flex;justify-content:space-between;font-size:13px;color:var(--quiet);
padding-top:4px;gap:8px}
.ticks span{max-width:33%}
.gauge{margin:22px 0 10px;max-width:560px}
.track{position:relative;height:10px;border-radius:5px;background:var(--track)}
.track .good{position:absolute;top:0;bottom:0;background:var(--good)}
.track .mark{position:absolute;top:-6px;width:4px;min-width:0;height:22px;margin-left:-2px;
border-radius:2px;background:var(--ink)}
.map{position:relative;border:1px solid var(--line);border-radius:8px;overflow:hidden;
background:var(--card);margin:12px 0}
.map svg{display:block;width:100%;height:auto}
.map path{fill:none;stroke-linecap:round;stroke-width:var(--dot);vector-effect:non-scaling-stroke}
.map path.ref{stroke:var(--ref);stroke-width:4px}
.map path.kn{stroke:var(--ink);stroke-width:calc(var(--dot) + 5px)}
.map path.kn2{stroke:var(--card);stroke-width:calc(var(--dot) + 2px)}
.map path.ku{stroke-width:calc(var(--dot) - 1px)}
.names span{position:absolute;transform:translate(-50%,-50%);font-size:13px;line-height:1.25;
white-space:nowrap;font-weight:600;pointer-events:none;
text-shadow:0 0 3px var(--card),0 0 3px var(--card),0 0 3px var(--card),0 0 4px var(--card)}
.names em{font-style:normal;font-weight:500;font-size:11px;color:var(--quiet);margin-right:3px}
.mapbox .legend li{cursor:default}
.map path.wayback{stroke:var(--card);stroke-width:8px;stroke-opacity:.85}
.map path.way{stroke:var(--ink);stroke-width:3.5px;stroke-linejoin:round}
.map path.tip{fill:var(--ink);stroke:var(--card);stroke-width:1.5px;stroke-linejoin:round}
.map path.stop{stroke:var(--ink);stroke-width:17px}
.map path.inner{stroke:var(--card);stroke-width:10px}
.map path.root{stroke:var(--t0);stroke-width:10px}
.pathbox .names span{transform:translate(-50%,-170%)}
.timekey{display:flex;align-items:center;gap:10px;font-size:14px;margin:0 0 10px}
.timekey b{display:flex;flex:0 1 260px;height:12px;border-radius:4px;overflow:hidden}
.timekey i{flex:1}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:16px 22px;
margin:10px 0 12px}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{font-size:14px;font-weight:600}
figure p{font-size:13px;color:var(--quiet);margin:3px 0 0;line-height:1.4}
svg.small{display:block;width:100%;height:84px;margin:3px 0 0}
svg.small path{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round;
stroke-linecap:round}
svg.small path.bar{fill:var(--sure);stroke:none}
svg.small path.base{stroke:var(--line);stroke-width:1px}
svg.small path.line{stroke:var(--ink);stroke-width:2px}
svg.small path.dots{stroke:var(--k2);stroke-width:7px}
.clusters td:last-child,.clusters th:last-child{text-align:left;padding-left:14px}
.groups{margin:0 0 12px;padding-left:22px;max-width:80ch}.groups li{margin:0 0 12px}
.markers{display:flex;flex-wrap:wrap;gap:5px;margin:6px 0 0}
.gene{font-size:13px;font-style:italic;padding:1px 8px;border-radius:10px;background:var(--track)}
details{margin:0 0 12px}
summary{cursor:pointer;color:var(--link);font-size:15px}
.genes{font-size:14px;overflow-wrap:anywhere;max-width:none}
ul.plain li{overflow-wrap:anywhere}
.first .caution{margin:14px 0 0}
.facts code{font-size:.82em}
ul.plain{margin:0 0 12px;padding-left:20px;max-width:80ch}
footer{padding:4px 24px 48px;color:var(--quiet);font-size:14px}
.picture{margin:18px 0 22px}.picture figcaption{margin:0 0 6px}
.wide{overflow-x:auto}.drawing{display:block;width:100%;min-width:600px;max-width:860px;height:auto}
@media (max-width:760px){.picture .wide::before{content:"swipe sideways to see all of it";
position:sticky;left:0;display:block;width:max-content;font-size:12px;color:var(--quiet)}
main,header,footer{padding-left:14px;padding-right:14px}
header{padding-top:22px}h1{font-size:24px}.lead{font-size:17px}
section{padding:16px 14px}.pair{grid-template-columns:minmax(0,1fr)}
.tiles{grid-template-columns:1fr 1fr}.tiles>div:last-child:nth-child(odd){grid-column:1/-1}
.tiles>div{padding:10px 12px}.tiles dd{font-size:23px}
.names bdi{display:none}.names em{font-size:12px;font-weight:700;color:var(--ink);margin:0}
.map path{stroke-width:calc(var(--dot)*.6)}.map path.ref{stroke-width:2px}
.map path.kn{stroke-width:calc(var(--dot)*.6 + 4px)}
.map path.kn2{stroke-width:calc(var(--dot)*.6 + 2px)}
.map path.wayback{stroke-width:5px}.map path.way{stroke-width:2.5px}
.map path.stop{stroke-width:11px}.map path.inner,.map path.root{stroke-width:6px}
.figures{grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:12px 16px}
.types th:first-child{width:48%}.types td:nth-child(2){width:18%}
table{font-size:14px}th,td{padding:6px 4px}.bars{gap:2px}.bars b{font-size:10px}}
@media print{:root{color-scheme:light}body{background:#fff;font-size:11pt}
section,.tiles>div,.first{border-color:#ccc}
section,tr,.histogram,.map,.caution{break-inside:avoid}#labels,#made{break-inside:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}a{color:inherit}
main,header,footer{max-width:none;padding-left:0;padding-right:0}}
""")
