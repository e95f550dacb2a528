// What each layer would predict: a table of tokens by layers, and all about the chosen cell.

function showLogits() {
  const { words, top, layers } = data.logits, rows = layers + 1;  // the embedding, then each layer
  const nameOf = row => row === 0 ? "embedding" : `layer ${row - 1}`;
  const cells = [];

  const head = element("tr", {}, element("th", { scope: "col" }, "after"));
  for (let row = 0; row < rows; ++row) head.append(element("th", { scope: "col" }, nameOf(row)));
  head.append(element("th", { scope: "col" }, "comes next"));
  const body = element("tbody");
  for (let t = 0; t < T; ++t) {
    const line = element("tr", { role: "row" },
                         element("th", { scope: "row", title: tokens[t] }, element("small", {}, `${t}`), ` ${oneLine(tokens[t])}`));
    for (let row = 0; row < rows; ++row) {
      const i = t * rows + row;
      const cell = element("td", { role: "gridcell", "aria-selected": "false" }, oneLine(words[data.logits.guesses[i * top]]));
      cell.classList.toggle("hit", t + 1 < T && data.logits.ranks[i] === 1);
      cell.addEventListener("pointerenter", () => show(i));
      cell.addEventListener("click", () => cell.focus());
      cells.push(cell);
      line.append(cell);
    }
    line.append(element("td", { class: "next" }, t + 1 < T ? oneLine(tokens[t + 1]) : ""));
    body.append(line);
  }
  place("predictions").append(element("table", { role: "grid", "aria-label": "Most probable next token by layer" },
                                      element("thead", {}, head), body));

  let chosen = 0;
  const toTabOrder = roving(cells, inColumns(rows, cells.length), show);
  function show(i) {
    cells[chosen].setAttribute("aria-selected", "false");
    cells[i].setAttribute("aria-selected", "true");
    chosen = i;
    toTabOrder(i);
    const t = Math.floor(i / rows), row = i % rows;
    place("reading-name").textContent = `After ${quoted(tokens[t])}, ${row === 0 ? "the embedding" : `layer ${row - 1}`} says`;
    showBars(place("guesses"), Array.from({ length: top }, (_, k) => [
      oneLine(words[data.logits.guesses[i * top + k]]), data.logits.probabilities[i * top + k]]));
    const facts = [["entropy, nats", data.logits.entropies[i].toFixed(3)],
                   [t + 1 < T ? "comes next" : "model’s choice", quoted(words[data.logits.next[t]])],
                   ["its rank", `${data.logits.ranks[i]}`],
                   ["its log p", decimal(data.logits.scores[i], 3)]];
    place("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  }
  function repaint() {
    cells.forEach((cell, i) => fill(cell, colourOf(data.logits.probabilities[i * top])));
  }
  repaints.push(repaint);
  repaint();
  // To begin with, the first token that the model foresees.
  const foreseen = tokens.findIndex((_, t) => t + 1 < T && data.logits.ranks[t * rows + layers] === 1);
  show(Math.max(foreseen, 0) * rows + layers);
}
if (data.logits) showLogits();
