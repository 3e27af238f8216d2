/** One visit to a published site with a real browser; says what happened as JSON.
 *
 * node visit.mjs PLAN.json: {url, chromium, profile, width, height, dark, webgl, files, out,
 * steps}. Files named in `steps` end up in the folder `out`.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { playSequences } from "./sequences.mjs";

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const flags = [
  "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update",
  ...(plan.webgl ? ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"] : ["--disable-gpu"]),
]; // prettier-ignore

const context = await chromium.launchPersistentContext(plan.profile, {
  executablePath: plan.chromium,
  args: flags,
  viewport: { width: plan.width, height: plan.height },
  colorScheme: plan.dark ? "dark" : "light",
  acceptDownloads: true,
  hasTouch: Boolean(plan.touch),
});
const requests = [];
const said = [];
context.on("request", (request) => requests.push(request.url()));
context.on("weberror", (error) => said.push(String(error.error())));
context.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) said.push(message.text());
});
const page = context.pages()[0] ?? (await context.newPage());
// bytes that came over the wire, heads and packing included
let received = 0;
const network = await context.newCDPSession(page);
await network.send("Network.enable");
network.on("Network.loadingFinished", ({ encodedDataLength }) => (received += encodedDataLength));
page.setDefaultTimeout(plan.timeout ?? 120_000);
const values = {};

/** Press something, as who has a mouse, a keyboard alone, or a finger does. */
async function act(how, selector) {
  if (how === "mouse") return page.click(selector);
  if (how === "touch") return page.tap(selector);
  await page.focus(selector);
  await page.keyboard.press("Enter");
}

const actions = {
  verified: () => page.waitForSelector("#verified:not([hidden])"),
  choose: async (files) => page.setInputFiles("#picker", files),
  drop: async (files) => {
    const transfer = await page.evaluateHandle(() => new DataTransfer());
    for (const file of files) {
      const bytes = readFileSync(file).toString("base64");
      await transfer.evaluate(
        (held, [text, name]) => {
          const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          held.items.add(new File([raw], name));
        },
        [bytes, file.split("/").pop()],
      );
    }
    await page.dispatchEvent(".drop", "drop", { dataTransfer: transfer });
  },
  mapped: () => page.waitForSelector(".tiles"),
  refused: async (name) => {
    values[name] = await page.locator(".refused").innerText();
  },
  view: (name) => page.screenshot({ path: join(plan.out, name) }),
  shot: (name) => page.screenshot({ path: join(plan.out, name), fullPage: true }),
  download: async ([name, text]) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(`text=${text}`)]);
    await download.saveAs(join(plan.out, name));
  },
  act: ([how, selector]) => act(how, selector),
  save: async ([name, selector, how = "mouse"]) => {
    const [download] = await Promise.all([page.waitForEvent("download"), act(how, selector)]);
    await download.saveAs(join(plan.out, name));
  },
  select: ([selector, label]) => page.selectOption(selector, { label }),
  type: async ([selector, text]) => {
    await page.fill(selector, text);
    await page.press(selector, "Enter");
  },
  click: (selector) => page.click(selector),
  hover: (selector) => page.hover(selector),
  pointer: async (selector) => {
    await page.locator("#canvas").scrollIntoViewIfNeeded();
    const box = await page.locator(selector).boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  },
  "tap at": async (selector) => {
    await page.locator("#canvas").scrollIntoViewIfNeeded();
    const box = await page.locator(selector).boundingBox();
    await page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
  },
  tap: (selector) => page.tap(selector),
  size: ([width, height]) => page.setViewportSize({ width, height }),
  reload: async () => {
    await page.reload();
    await page.waitForSelector("#verified:not([hidden])");
  },
  print: () => page.emulateMedia({ media: "print" }),
  dark: (on) => page.emulateMedia({ colorScheme: on ? "dark" : "light" }),
  axe: async (name) => {
    // not as a script of the page, whose policy would refuse it
    await page.evaluate(readFileSync("node_modules/axe-core/axe.min.js", "utf8"));
    values[name] = await page.evaluate(async () =>
      (await globalThis.axe.run()).violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`,
      ),
    );
  },
  press: (key) => page.keyboard.press(key),
  focus: (selector) => page.focus(selector),
  text: async ([name, selector]) => {
    values[name] = await page.locator(selector).innerText();
  },
  count: async ([name, selector]) => {
    values[name] = await page.locator(selector).count();
  },
  lasso: async () => {
    await page.locator("#canvas").scrollIntoViewIfNeeded();
    const box = await page.locator("#canvas").boundingBox();
    const at = ([x, y]) => [box.x + box.width * x, box.y + box.height * y];
    await page.mouse.move(...at([0.01, 0.01]));
    await page.mouse.down();
    for (const corner of [[0.99, 0.01], [0.99, 0.99], [0.01, 0.99], [0.01, 0.02]]) {
      await page.mouse.move(...at(corner), { steps: 4 });
    }
    await page.mouse.up();
  },
  evaluate: async ([name, code]) => {
    values[name] = await page.evaluate(code);
  },
  offline: () => {
    requests.push("offline");
    return context.setOffline(true);
  },
  received: (name) => {
    values[name] = received;
    received = 0;
  },
  sequences: async (how) => {
    values.sequences = await playSequences(page, how);
  },
  wait: (milliseconds) => page.waitForTimeout(milliseconds),
};

let failed = null;
try {
  await page.goto(plan.url);
  for (const [action, argument] of plan.steps) await actions[action](argument);
} catch (error) {
  failed = String(error);
  await page.screenshot({ path: join(plan.out, "failed.png"), fullPage: true });
}
await context.close();
console.log(JSON.stringify({ failed, requests, said, values }));
