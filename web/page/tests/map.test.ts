/** The map without a browser: names, marks, what is nearest. */

import { expect, test } from "vitest";

import { type Layer, stepOf } from "../src/page/map/canvas";
import { entries, LIKE, marks, type Shading, UNLIKE } from "../src/page/map/colouring";
import { type Name, overlap, placeNames } from "../src/page/map/names";
import { Nearest } from "../src/page/map/nearest";
import { categoryMark, unlikeMark } from "../src/page/map/palette";
import { svgOf } from "../src/page/map/picture";
import { seeded } from "./random.mjs";

test("names never lie over each other, off the screen, or over what is taken", () => {
  const random = seeded(1);
  let placed = 0;
  for (let round = 0; round < 200; round++) {
    const screen = { width: 200 + 900 * random(), height: 200 + 600 * random() };
    const names = Array.from({ length: 1 + Math.floor(60 * random()) }, (_, i): Name => ({
      text: "x".repeat(1 + Math.floor(25 * random())) + i,
      // some heap up, some lie outside
      x: screen.width * (random() ** 2 * 1.2 - 0.1),
      y: screen.height * (random() ** 2 * 1.2 - 0.1),
      weight: random(),
      quiet: false,
    }));
    const taken = [{ left: 20, top: 20, width: 120, height: 60 }];
    const width = (text: string) => 7 * text.length;
    const found = placeNames(names, (x, y) => [x, y], width, screen, taken);
    const boxes = [...taken, ...found.map(({ box }) => box)];
    boxes.forEach((one, i) => boxes.slice(i + 1).forEach((other) => expect(overlap(one, other)).toBe(false)));
    for (const { box } of found) {
      expect(Math.min(box.left, box.top)).toBeGreaterThanOrEqual(0);
      expect(box.left + box.width).toBeLessThanOrEqual(screen.width);
      expect(box.top + box.height).toBeLessThanOrEqual(screen.height);
    }
    placed += found.length;
  }
  expect(placed).toBeGreaterThan(1000);
});

test("the weightiest name has its place", () => {
  const name = (text: string, weight: number): Name => ({ text, x: 50, y: 50, weight, quiet: false });
  const found = placeNames([name("a", 1), name("b", 9)], (x, y) => [x, y], () => 90, { width: 100, height: 100 }, []);
  expect(found[0].name.text).toBe("b");
});

test("the nearest cell is the one that looking at all finds", () => {
  const random = seeded(2);
  const kinds: ((i: number) => [number, number])[] = [
    () => [random() * 10, random() * 10],
    () => [random() * 10, 3],
    () => [2, random() ** 4],
    () => [1, 1],
    (i) => [i < 5 ? 1e6 * random() : random(), random()],
  ];
  for (const n of [0, 1, 2, 50, 700]) {
    for (const kind of kinds) {
      const places = Float32Array.from(Array.from({ length: n }, (_, i) => kind(i)).flat());
      const nearest = new Nearest(places, n);
      for (let round = 0; round < 40; round++) {
        const [x, y, reach] = [12 * random() - 1, 12 * random() - 1, 2 * random()];
        const apart = (cell: number) => Math.hypot(places[2 * cell] - x, places[2 * cell + 1] - y);
        const least = Math.min(Infinity, ...Array.from({ length: n }, (_, cell) => apart(cell)));
        const found = nearest.find(x, y, reach);
        if (least >= reach) expect(found).toBe(-1);
        else expect(apart(found)).toBe(least);
      }
    }
  }
});

test.each(["light", "dark"] as const)("54 kinds look each its own, and none like the unlike, %s", (theme) => {
  const all = Array.from({ length: 54 }, (_, n) => categoryMark(n, theme));
  expect(new Set(all.map((mark) => JSON.stringify(mark))).size).toBe(54);
  const [r, g, b] = unlikeMark(theme).colour;
  for (const { colour } of all) {
    expect(Math.hypot(colour[0] - r, colour[1] - g, colour[2] - b)).toBeGreaterThan(60);
  }
});

test("orange are the cells unlike the atlas, whichever come first or are more", () => {
  for (const codes of [[0, 1], [1], [1, 1, 0], [0]]) {
    const shading: Shading = {
      kind: "category",
      title: "",
      codes: Int32Array.from(codes),
      categories: [LIKE, UNLIKE],
    };
    const mark = marks(shading, "light");
    codes.forEach((code, cell) => {
      expect(mark(cell).colour === unlikeMark("light").colour).toBe(code === 1);
    });
    expect(entries(shading, "light")).toHaveLength(new Set(codes).size);
  }
});

test("a picture is well formed whatever cells and types are called", () => {
  const evil = `<script>"'&\u0000\u0007]]></svg>`;
  const name: Name = { text: evil, x: 5, y: 5, weight: 1, quiet: false };
  const box = { left: 0, top: 0, width: 10, height: 10 };
  const svg = svgOf({
    title: evil,
    width: 100,
    height: 80,
    layers: [
      {
        places: Float32Array.of(5, 5, 900, 5),
        colours: Uint8Array.of(1, 2, 3, 255, 1, 2, 3, 28),
        shapes: Uint8Array.of(0, 5),
        n: 2,
        size: 6,
        rim: false,
      },
    ],
    place: (x, y) => [x, y],
    names: [{ name, box }],
    paths: ["M0 0L1 1"],
    ends: [{ text: evil, x: 1, y: 1 }],
    shading: { kind: "category", title: evil, codes: Int32Array.of(0), categories: [evil] },
    theme: "light",
    background: [255, 255, 255],
    ink: "rgb(0 0 0)",
    canvas: null as unknown as HTMLCanvasElement,
  });
  const said = "&lt;script&gt;&quot;'&amp;\ufffd\ufffd]]&gt;&lt;/svg&gt;";
  expect(svg.split(said)).toHaveLength(7);
  const tags = [...svg.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)];
  expect(svg.replace(/<[^<>]*>/g, "")).not.toMatch(/[<>\u0000-\u0008]/);
  const open: string[] = [];
  for (const [, end, tag, closed] of tags) {
    if (end) expect(open.pop()).toBe(tag);
    else if (!closed) open.push(tag);
  }
  expect(open).toEqual([]);
  // one of the two dots lies outside
  expect(svg.match(/scale\(/g)).toHaveLength(1);
});

test("while a map moves about as many points are drawn as are asked for, and all of few", () => {
  const random = seeded(2);
  for (let round = 0; round < 500; round++) {
    const [n, most] = [Math.floor(10 ** (6.4 * random())), 1 + Math.floor(1e5 * random())];
    const step = stepOf({ n } as Layer, most);
    const drawn = Math.ceil(n / step);
    if (n <= most) expect(step).toBe(1);
    // a step of a WebGL attribute is at most 255 bytes, and a place has 8
    expect(8 * step).toBeLessThan(256);
    expect(drawn <= most || step === 31).toBe(true);
    expect(drawn).toBeGreaterThanOrEqual(Math.min(n, most) / 2);
  }
  expect(stepOf({ n: 1_000_000 } as Layer, 100_000)).toBe(10);
  expect(stepOf({ n: 1_000_000 } as Layer, Infinity)).toBe(1);
});
