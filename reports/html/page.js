"use strict";
// The filters over the cases. Without this script the page says all it has to say, unfiltered.
(() => {
  const form = document.getElementById("filters");
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const clear = document.getElementById("clear");
  const none = document.getElementById("none");
  const more = document.getElementById("more");
  const buttons = [...form.querySelectorAll("[data-show]")];
  const selects = ["miss", "clause", "tag", "spec"]
    .map((name) => document.getElementById(name))
    .filter(Boolean);
  const list = document.getElementById("rows");
  const rows = [...list.children].map((element) => ({
    element,
    sets: Object.fromEntries(
      ["show", "miss", "clause", "tag", "spec"].map((key) => [
        key,
        (element.dataset[key] ?? "").split(" "),
      ]),
    ),
    text: null,
  }));
  // The page holds so many rows at once: taking rows out and putting others in is quicker by far
  // than hiding them, of which Chromium makes a new style for all that is within.
  const STEP = 500;
  let limit = STEP;
  const number = new Intl.NumberFormat("en");

  // What can be searched of a row: what was written and answered, not the labels beside it.
  const textOf = (row) => {
    if (row.text === null) {
      const parts = row.element.querySelectorAll("summary > :is(code, span), dd, details > p > code");
      row.text = Array.from(parts, (part) => part.textContent).join("\n").toLowerCase();
    }
    return row.text;
  };

  const pressed = () => buttons.find((b) => b.getAttribute("aria-pressed") === "true").dataset.show;

  // What has the focus keeps it, if it stays on the page.
  const put = (elements) => {
    const held = list.children;
    if (elements.length === held.length && elements.every((one, i) => one === held[i])) return;
    const focused = document.activeElement;
    list.replaceChildren(...elements);
    if (focused !== document.activeElement && focused.isConnected) {
      focused.focus({ preventScroll: true });
    }
  };

  const apply = (most = STEP) => {
    limit = most;
    const wanted = selects.filter((s) => s.value !== "").map((s) => [s.id, s.value]);
    const show = pressed();
    if (show !== "all") wanted.push(["show", show]);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter(
      (row) =>
        wanted.every(([name, value]) => row.sets[name].includes(value)) &&
        words.every((word) => textOf(row).includes(word)),
    );
    const left = found.length;
    put(found.slice(0, limit).map((row) => row.element));
    count.textContent =
      left <= limit
        ? `${number.format(left)} of ${number.format(rows.length)} shown`
        : `${number.format(left)} of ${number.format(rows.length)}, the first ${limit} shown`;
    more.hidden = left <= limit;
    none.hidden = left > 0;
    clear.hidden = wanted.length === 0 && words.length === 0;
  };

  const press = (name) => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.show === name));
    }
  };

  const reset = () => {
    press("all");
    search.value = "";
    for (const select of selects) select.value = "";
    apply();
  };

  // A link to a case opens it, also where a filter hides it.
  const open = () => {
    const row = rows.find((one) => `#${one.element.id}` === location.hash);
    if (!row) return;
    if (!row.element.isConnected) {
      reset();
      apply(STEP * Math.ceil((rows.indexOf(row) + 1) / STEP));
    }
    const details = row.element.firstElementChild;
    details.open = true;
    row.element.scrollIntoView({ block: "start" });
    details.firstElementChild.focus({ preventScroll: true });
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      press(button.dataset.show);
      apply();
    });
  }
  for (const link of document.querySelectorAll("[data-press]")) {
    link.addEventListener("click", () => {
      reset();
      press(link.dataset.press);
      apply();
    });
  }
  for (const select of selects) select.addEventListener("change", () => apply());
  search.addEventListener("input", () => apply());
  more.addEventListener("click", () => apply(limit + STEP));
  form.addEventListener("submit", (event) => event.preventDefault());
  clear.addEventListener("click", () => {
    reset();
    search.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape") {
      reset();
    }
  });
  window.addEventListener("hashchange", open);

  // Texts are gathered while nothing else is to be done, so that the first search is quick too.
  let next = 0;
  const gather = (deadline) => {
    while (next < rows.length && deadline.timeRemaining() > 2) textOf(rows[next++]);
    if (next < rows.length) requestIdleCallback(gather);
  };
  if (window.requestIdleCallback) requestIdleCallback(gather);

  form.hidden = false;
  apply(); // a browser that goes back keeps what was typed
  open();
})();
