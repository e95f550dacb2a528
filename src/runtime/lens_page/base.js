// What all parts of the page share: the data, elements, colours, moving about by keys.

const data = JSON.parse(document.getElementById("data").textContent);
const tokens = data.tokens, T = tokens.length;
const place = id => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// A token on one line: a space at its start as a dot, line ends as arrows, other controls by number.
const oneLine = text => text.replace(/^ /, "·").replaceAll("\n", "↵").replaceAll("\t", "→")
  .replace(/[\u0000-\u001f\u007f-\u009f]/g, c => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"));
const quoted = text => "“" + oneLine(text) + "”";
// With a minus sign as wide as the plus; none for what is rounded to zero.
function decimal(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) > 0 ? "−" + text : text;
}
const signed = (value, digits) => (Number(value.toFixed(digits)) > 0 ? "+" : "") + decimal(value, digits);
const share = value => value >= 0.995 ? "1.0" : value.toFixed(2).slice(1);

// --- colours: arrays of red, green, blue ---

let paper, ramp, worse, better;
const repaints = [];  // to be called when the colour scheme changes

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const named = name => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    const wide = hex.length === 3 ? [...hex].map(c => c + c).join("") : hex;
    return [0, 2, 4].map(i => parseInt(wide.slice(i, i + 2), 16));
  };
  paper = named("--paper");
  ramp = [named("--ramp0"), named("--ramp1"), named("--ramp2")];
  worse = named("--worse");
  better = named("--better");
}
readColours();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  for (const repaint of repaints) repaint();
});

const mix = (a, b, part) => a.map((value, i) => Math.round(value + (b[i] - value) * part));
const css = colour => `rgb(${colour.join(",")})`;

// Shares in [0, 1] go by their square root, so that small ones show.
function colourOf(share) {
  const x = 2 * Math.sqrt(Math.min(Math.max(share, 0), 1));
  return x < 1 ? mix(ramp[0], ramp[1], x) : mix(ramp[1], ramp[2], x - 1);
}
// A change, by the largest one.
const colourOfChange = part => mix(paper, part < 0 ? worse : better, Math.sqrt(Math.min(Math.abs(part), 1)));

// Black or white, whichever reads better on a colour.
function inkOn(colour) {
  const [r, g, b] = colour.map(value => value / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}
function fill(item, colour) {
  item.style.background = colour ? css(colour) : "";
  item.style.color = colour ? inkOn(colour) : "";
}

// --- keys: one item of a group is in the tab order, arrows go on from it ---

function roving(items, step, choose) {
  items.forEach((item, i) => {
    item.tabIndex = i === 0 ? 0 : -1;
    item.addEventListener("keydown", event => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const to = step(event.key, i);
      if (to === undefined) return;
      event.preventDefault();
      if (items[to]) items[to].focus();
    });
    item.addEventListener("focus", () => choose(i));
  });
  let current = 0;
  return i => {
    items[current].tabIndex = -1;
    items[i].tabIndex = 0;
    current = i;
  };
}
const inColumns = (columns, count) => (key, i) => {
  const column = i % columns;
  switch (key) {
    case "ArrowLeft": return column > 0 ? i - 1 : i;
    case "ArrowRight": return column + 1 < columns ? i + 1 : i;
    case "ArrowUp": return i >= columns ? i - columns : i;
    case "ArrowDown": return i + columns < count ? i + columns : i;
    case "Home": return i - column;
    case "End": return i - column + columns - 1;
  }
};

// Name, bar, number: a line for each entry [name, value, note].
function showBars(box, entries) {
  box.replaceChildren(...entries.flatMap(([name, value, note = ""]) => {
    const bar = element("u");
    bar.style.width = 100 * value + "%";
    return [element("span", {}, name, element("small", {}, note)), element("span", { class: "track" }, bar), element("b", {}, share(value))];
  }));
}
