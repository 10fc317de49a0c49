"use strict";
// All of the page is there without this: it only filters, sorts, copies and points.
(() => {
  const all = (where, what) => [...where.querySelectorAll(what)];
  const make = (name, properties) => Object.assign(document.createElement(name), properties);
  const say = (text) => { document.getElementById("said").textContent = text; };

  // --- copying -----------------------------------------------------------------------------
  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // a page that came over plain HTTP has no clipboard of that kind
      const field = make("textarea", { value: text, className: "unseen" });
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  };

  for (const element of all(document, "[data-copy]")) {
    const { copy, what } = element.dataset;
    const button = make("button", { type: "button", className: "copy", textContent: "Copy" });
    button.setAttribute("aria-label", `Copy ${what}`);
    button.addEventListener("click", async () => {
      const done = await copied(copy || element.textContent);
      button.classList.toggle("done", done);
      button.textContent = done ? "Copied" : "Failed";
      say(done ? `Copied ${what}` : "Nothing could be copied");
      button.focus();
      setTimeout(() => {
        button.classList.remove("done");
        button.textContent = "Copy";
      }, 2000);
    });
    element.after(button);
  }

  // --- sorting -----------------------------------------------------------------------------
  const value = (row, at, kind) => {
    const cell = (row.rows ? row.rows[0] : row).cells[at];
    const found = cell.dataset.value ?? cell.textContent.trim();
    return kind === "number" ? Number(found) : found.toLowerCase();
  };

  const sort = (table, head, at) => {
    const kind = head.dataset.sort;
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all(table, "th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const bodies = [...table.tBodies];
    const rows = bodies.length > 1 ? bodies : [...bodies[0].rows];
    const keyed = rows.map((row) => [value(row, at, kind), row]);
    keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1));
    const into = bodies.length > 1 ? table : bodies[0];
    into.append(...keyed.map(([, row]) => row));
    say(`Sorted by ${head.textContent}, ${up ? "ascending" : "descending"}`);
  };

  for (const table of all(document, "table")) {
    all(table, "thead th").forEach((head, at) => {
      if (!head.dataset.sort) return;
      const button = make("button", { type: "button", textContent: head.textContent });
      button.addEventListener("click", () => sort(table, head, at));
      head.replaceChildren(button);
    });
  }

  // --- filtering ---------------------------------------------------------------------------
  const rowsOf = (target) => {
    if (target.tBodies?.length > 1) return [...target.tBodies];
    return all(target, "tr[data-state]");
  };

  for (const tools of all(document, ".tools")) {
    const target = document.getElementById(tools.dataset.for);
    const [field] = all(tools, "input");
    const [choice] = all(tools, "select");
    const count = tools.querySelector("output");
    const rows = rowsOf(target);
    const groups = all(target, ":scope > details");
    const opened = new Map(groups.map((group) => [group, group.open]));
    const said = new Map(rows.map((row) => {
      const about = row.closest("[data-words]")?.dataset.words ?? "";
      const found = all(row, "[data-find]").map((part) => part.textContent);
      const text = found.length ? found.join(" ") : row.textContent;
      return [row, `${about} ${text}`.toLowerCase()];
    }));

    const filter = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const state = choice?.value ?? "any";
      let shown = 0;
      for (const row of rows) {
        const fits = (state === "any" || row.dataset.state === state)
          && words.every((word) => said.get(row).includes(word));
        row.hidden = !fits;
        shown += fits;
      }
      const active = words.length > 0 || state !== "any";
      for (const group of groups) {
        const fits = rows.some((row) => !row.hidden && group.contains(row));
        group.hidden = !fits;
        group.open = active ? fits : opened.get(group);
      }
      const noun = tools.dataset.noun + (rows.length === 1 ? "" : "s");
      count.textContent = active ? `${shown} of ${rows.length} ${noun}` : "";
    };
    field.addEventListener("input", filter);
    choice?.addEventListener("change", filter);
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      field.value = "";
      filter();
    });
    tools.hidden = false;
  }

  // --- pointing at layers ------------------------------------------------------------------
  const figure = document.querySelector(".planks");
  const scrub = document.getElementById("scrub");
  if (figure && scrub) {
    // as they stand in the figure, however the table is sorted later
    const layers = all(document, "#t-layers tbody tr").map((row) => {
      const [at, width] = row.dataset.at.split(" ").map(Number);
      const [title, kind, size, , images] = [...row.cells].map((cell) => cell.textContent);
      return { at, width, row, said: `${title} (${kind}), ${size}: ${images}` };
    });
    const marks = all(figure, ".here");
    const output = scrub.parentElement.querySelector("output");
    const point = (number) => {
      const layer = layers[number];
      if (!layer) return;
      for (const mark of marks) {
        mark.setAttribute("x", layer.at);
        mark.setAttribute("width", layer.width);
      }
      scrub.value = number;
      scrub.setAttribute("aria-valuetext", layer.said);
      output.textContent = layer.said;
    };
    const under = (event) => {
      const picture = event.target.closest("svg");
      if (!picture) return;
      const box = picture.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * picture.viewBox.baseVal.width;
      point(layers.findIndex((layer) => x < layer.at + layer.width));
    };
    figure.addEventListener("pointermove", under);
    figure.addEventListener("pointerdown", under);
    scrub.addEventListener("input", () => point(Number(scrub.value)));
    scrub.parentElement.hidden = false;
  }

  // --- what a link leads to is open; paper shows everything --------------------------------
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all(document, "details:not([open])");
    for (const element of closed) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const element of closed) element.open = false;
  });
})();
