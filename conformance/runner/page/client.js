// The page's own program: filters, and what is behind a mark. The table itself is in the page, so it can be read and printed without.
const data = JSON.parse(document.getElementById("data").textContent);
const dialog = document.querySelector("dialog");
const search = document.getElementById("search");
const level = document.getElementById("level");
const only = document.getElementById("only");

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function shown(row) {
  const text = search.value.trim().toLowerCase();
  if (text !== "" && !row.textContent.toLowerCase().includes(text)) return false;
  if (level.value !== "" && row.dataset.level !== level.value) return false;
  const marks = [...row.querySelectorAll("[data-status]")].map((mark) => mark.dataset.status);
  if (only.value === "failed") return marks.includes("failed");
  if (only.value === "different") return new Set(marks).size > 1;
  if (only.value === "blank") return marks.every((status) => status === "none");
  return true;
}

function filter() {
  let found = 0;
  for (const section of document.querySelectorAll("tbody")) {
    let any = false;
    for (const row of section.querySelectorAll("tr[data-level]")) {
      row.hidden = !shown(row);
      if (!row.hidden) any = true;
      if (!row.hidden) found++;
    }
    section.hidden = !any;
  }
  document.getElementById("found").textContent = `${found} rows`;
}

function block(title, text) {
  if (text === undefined || text === "") return [];
  return [element("h3", title), element("pre", text)];
}

function describe(item) {
  const nodes = [
    element("h3", item.id),
    element("p", item.status + (item.reason ? `: ${item.reason}` : ""), item.status),
  ];
  if (item.failure) {
    nodes.push(...block("Expected and seen", [item.failure.message, item.failure.detail].filter(Boolean).join("\n\n")));
    for (const { fragment } of item.failure.configs)
      nodes.push(...block("config.json, beyond the smallest", JSON.stringify(fragment, null, 2)));
    const calls = item.failure.calls.map(({ words, status }) => `${words.join(" ")}   # ${status}`);
    nodes.push(...block("Commands", calls.join("\n")));
  }
  nodes.push(...block("Again", item.repeat));
  return nodes;
}

function open(mark) {
  const run = data[Number(mark.dataset.run)];
  const ids = new Set(JSON.parse(mark.dataset.cases));
  const close = element("button", "Close", "close");
  close.addEventListener("click", () => dialog.close());
  const title = element("h2", `${run.runtime.name} ${run.runtime.version}`);
  const order = ["failed", "known", "passed", "skipped"];
  const items = run.cases
    .filter(({ id }) => ids.has(id))
    .sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  dialog.replaceChildren(close, title, ...items.flatMap(describe));
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const mark = event.target.closest("button.mark");
  if (mark) open(mark);
});
for (const input of [search, level, only]) input.addEventListener("input", filter);
document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
filter();
