/** The page of `--format html` in a real browser: Debian's chromium. Run by CI. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { html } from "../../conformance/runner/formats/html.ts";
import { RESULT } from "../conformance/result.ts";

let directory = "";
let browser: Browser;

beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), "page-"));
  const second = { ...RESULT, runtime: { name: "crun", version: "1.0" }, cases: RESULT.cases.slice(0, 1) };
  writeFileSync(path.join(directory, "page.html"), html([RESULT, second]));
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
}, 60_000);

afterAll(async () => {
  await browser.close();
  rmSync(directory, { recursive: true, force: true });
});

async function open(width = 1200): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  page.on("pageerror", (error) => {
    throw error;
  });
  await page.goto(`file://${directory}/page.html`);
  return page;
}

test("a mark opens what was expected, what was seen, the configuration and the command", async () => {
  const page = await open();
  await page.locator("button.mark.failed").first().click();
  const text = await page.locator("dialog").textContent();
  expect(text).toContain('Expected: "a <b> & c"');
  expect(text).toContain('"a<b": true');
  expect(text).toContain("runc kill x");
  expect(text).toContain("--keep 'kill/fails'");
  await page.getByRole("button", { name: "Close" }).click();
  expect(await page.locator("dialog").isVisible()).toBe(false);
  await page.close();
});

test("rows are filtered by text, level and what became of them", async () => {
  const page = await open();
  const rows = async () => await page.locator("tr[data-level]:visible").count();
  const all = await rows();
  await page.selectOption("#only", "failed");
  expect(await rows()).toBe(1);
  await page.selectOption("#only", "");
  await page.selectOption("#level", "may");
  expect(await rows()).toBe(1);
  await page.selectOption("#level", "");
  await page.fill("#search", "runtime.kill.sends");
  expect(await rows()).toBe(1);
  await page.fill("#search", "");
  expect(await rows()).toBe(all);
  await page.close();
});

test("nothing is wider than a phone, and print shows every row without the form", async () => {
  const page = await open(390);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  await page.emulateMedia({ media: "print" });
  expect(await page.locator("form").isVisible()).toBe(false);
  expect(await page.locator("tr[data-level]:visible").count()).toBeGreaterThan(3);
  await page.close();
});
