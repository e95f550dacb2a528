// What the text loses without a head: a table of heads, or the heads that were taken away together, and
// the text with each token's change.

function showAblation() {
  const { before, heads, changes } = data.ablation;  // changes: for each entry of heads, T - 1
  const totals = changes.map(list => list.reduce((sum, value) => sum + value, 0));
  const largestTotal = Math.max(...totals.map(Math.abs), 1e-9);
  const largest = Math.max(...changes.flat().map(Math.abs), 1e-9);
  let chosen = 0, token;

  const text = showText(place("lost-text"), i => { token = i; show(); });
  const cells = [];
  let toTabOrder = () => {};
  if (data.ablation.columns) {  // each head by itself
    const columns = data.ablation.columns;
    const head = element("tr", {}, element("th", {}, ""));
    for (let h = 0; h < columns; ++h) head.append(element("th", { scope: "col" }, element("span", { class: "word" }, "head "), `${h}`));
    const body = element("tbody");
    for (let l = 0; l * columns < heads.length; ++l) {
      const line = element("tr", {}, element("th", { scope: "row" }, element("span", { class: "word" }, "layer "), `${l}`));
      for (let h = 0; h < columns; ++h) {
        const i = l * columns + h;
        const cell = element("td", { role: "gridcell", "aria-label": `layer ${l}, head ${h}: ${signed(totals[i], 3)}` },
                             signed(totals[i], 2));
        cell.addEventListener("click", () => cell.focus());
        cells.push(cell);
        line.append(cell);
      }
      body.append(line);
    }
    place("effects").append(element("table", { role: "grid", "aria-label": "Change by head" }, element("thead", {}, head), body));
    toTabOrder = roving(cells, inColumns(columns, cells.length), i => { chosen = i; token = undefined; show(); });
    chosen = totals.reduce((best, value, i) => Math.abs(value) > Math.abs(totals[best]) ? i : best, 0);
  }

  function show() {
    cells.forEach((cell, i) => cell.setAttribute("aria-selected", i === chosen));
    if (cells.length) toTabOrder(chosen);
    const own = changes[chosen];
    text.paint(0, null, true);
    own.forEach((value, i) => text.paint(i + 1, Math.abs(value) > 0.002 * largest ? colourOfChange(value / largest) : null, false));
    const hardest = own.reduce((best, value, i) => Math.abs(value) > Math.abs(own[best]) ? i : best, 0) + 1;
    const i = token ?? hardest;
    text.now(i);
    const total = before.reduce((sum, value) => sum + value, 0);
    place("lost").textContent = `Without ${heads[chosen]}: ${signed(totals[chosen], 3)} on the text’s ${decimal(total, 3)}; ` +
      (i === 0 ? "nothing comes before the first token" : `${signed(own[i - 1], 3)} on ${quoted(tokens[i])}`);
  }
  function repaint() {
    cells.forEach((cell, i) => fill(cell, colourOfChange(totals[i] / largestTotal)));
    show();
  }
  repaints.push(repaint);
  repaint();
}
if (data.ablation) showAblation();
