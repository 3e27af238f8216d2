/** Drops, stops, downloads and reloads in random order and at random times: what the page shows and
 * saves must always be of one file, whole. */

import { readFileSync } from "node:fs";
import { basename } from "node:path";

import { seeded } from "./random.mjs";

const WAIT_MS = 700;

/** Play `rounds` of random steps; what was wrong, a line each, and how much was seen. */
export async function playSequences(page, { files, rounds, seed }) {
  const random = seeded(seed);
  const one = (list) => list[Math.floor(random() * list.length)];
  const saved = [];
  page.on("download", (download) => saved.push(download));
  const bytes = new Map(files.map((file) => [basename(file), readFileSync(file).toString("base64")]));
  await give(page, bytes);
  const wanted = new Map();
  for (const name of bytes.keys()) wanted.set(name, await alone(page, saved, name));
  const wrong = [];
  const seen = { rounds: 0, drops: 0, stops: 0, saved: 0, reloads: 0, shown: 0 };
  for (let round = 0; round < rounds; round++) {
    const steps = [];
    for (let left = 2 + Math.floor(random() * 4); left > 0; left--) {
      const step = one(["drop", "drop", "drop", "stop", "download", "h5ad", "selection"]);
      steps.push(step);
      if (step === "drop") {
        steps.push(one([...bytes.keys()]));
        await drop(page, steps.at(-1));
        seen.drops++;
      } else if (await press(page, step)) seen.stops += Number(step === "stop");
      await page.waitForTimeout(random() ** 2 * WAIT_MS);
    }
    if (random() < 0.05) {
      await page.reload();
      await page.waitForSelector("#verified:not([hidden])");
      await give(page, bytes);
      seen.reloads++;
    }
    await settled(page);
    const shown = await shownNow(page);
    if (shown.name) {
      seen.shown++;
      // what is saved now is asked in every round: on a slow machine none of the steps may save
      await Promise.all([page.waitForEvent("download"), press(page, "download")]);
    }
    const whole = shown.name === null || same(shown, wanted.get(shown.name).shown);
    if (!whole) wrong.push(`round ${round} (${steps.join(" ")}) shows ${JSON.stringify(shown)}`);
    for (const download of saved.splice(0)) {
      seen.saved++;
      const fault = await faultOf(download, wanted);
      if (fault) wrong.push(`round ${round} (${steps.join(" ")}): ${fault}`);
    }
    seen.rounds++;
  }
  return { wrong, seen };
}

/** What a file gives when nothing disturbs it. */
async function alone(page, saved, name) {
  await drop(page, name);
  await settled(page);
  const shown = await shownNow(page);
  if (!shown.name) return { shown, table: null };
  const [download] = await Promise.all([page.waitForEvent("download"), press(page, "download")]);
  saved.length = 0;
  return { shown, table: readFileSync(await download.path(), "utf8") };
}

/** A table must be that of the file it is called after, or lines of it; an h5ad holds all its cells. */
async function faultOf(download, wanted) {
  const path = await download.path().catch(() => null);
  if (!path) return null; // the page was loaded anew meanwhile
  const called = download.suggestedFilename();
  const name = called.replace(/_(mapped|selected_cells)\.(csv|h5ad)$/, ".h5ad");
  const table = wanted.get(name)?.table;
  if (!table) return `${called} was saved, of a file that gives nothing`;
  if (called.endsWith(".h5ad")) {
    const text = readFileSync(path, "latin1");
    const cells = table.trim().split("\n").slice(1).map((line) => line.split(",")[0]);
    const lacking = cells.filter((cell) => !text.includes(cell)).length;
    return lacking ? `${called} lacks ${lacking} cells` : null;
  }
  const found = readFileSync(path, "utf8");
  if (called.includes("_mapped")) return found === table ? null : `${called} is another table`;
  const lines = new Set(table.split("\n"));
  return found.split("\n").every((line) => lines.has(line)) ? null : `${called} has other lines`;
}

/** Wait until nothing is being mapped; on a busy machine that takes a while. */
function settled(page) {
  const idle = () => !document.querySelector("#intake progress");
  return page.waitForFunction(idle, null, { timeout: 300_000 });
}

async function shownNow(page) {
  return page.evaluate(() => {
    const done = document.querySelector("#intake .tiles");
    const text = (selector) => document.querySelector(selector)?.innerText ?? "";
    return {
      name: done && text("#intake .file"),
      tiles: text("#intake .tiles"),
      types: document.querySelector("#types:not([hidden])")?.innerText ?? "",
      notes: document.querySelector("#notes:not([hidden])")?.innerText ?? "",
      legend: text("#legend"),
    };
  });
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Put the files into the page once, so that dropping one takes no time. */
async function give(page, bytes) {
  await page.evaluate(() => (window.given = new Map()));
  for (const [name, text] of bytes) {
    await page.evaluate(
      ([called, packed]) => {
        const raw = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
        window.given.set(called, new File([raw], called));
      },
      [name, text],
    );
  }
}

async function drop(page, name) {
  await page.evaluate((called) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(window.given.get(called));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
  }, name);
  await page.waitForTimeout(0);
}

/** Press what is there for a step; whether it was there. */
async function press(page, step) {
  return page.evaluate((wanted) => {
    const texts = { stop: "Stop", download: "Download results", h5ad: "Download for scanpy" };
    const buttons = [...document.querySelectorAll("#intake button")];
    const button =
      wanted === "selection"
        ? document.querySelector("#types tbody button")
        : buttons.find((one) => one.innerText.startsWith(texts[wanted]));
    button?.click();
    if (wanted === "selection") document.querySelector("#selection .actions button")?.click();
    return Boolean(button);
  }, step);
}
