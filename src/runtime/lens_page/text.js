// The text, token by token, each of which can be chosen: by pointer, or by keys as in an editor.

// choose(i) is called with the token that is pointed at. Returns { now(i), paint(i, colour, isOut) }.
function showText(box, choose) {
  const items = tokens.map((text, i) => {
    const item = element("span", { class: "token", role: "option", "aria-selected": "false",
                                   "aria-label": `token ${i}: ${oneLine(text)}` });
    for (const part of text.split(/(\n)/)) {
      if (part === "\n") item.append(element("i", {}, "↵"), "\n");
      else if (part) item.append(part);
    }
    if (!text) item.append(element("i", {}, "∅"));
    item.addEventListener("pointerenter", () => choose(i));
    item.addEventListener("click", () => item.focus());
    return item;
  });
  box.replaceChildren(...items);

  const middle = i => {
    const place = items[i].getClientRects()[0];
    return { x: (place.left + place.right) / 2, y: (place.top + place.bottom) / 2 };
  };
  // The nearest token of the line above (-1) or below (1).
  function otherLine(i, direction) {
    const from = middle(i);
    let line, best = i, distance = Infinity;
    for (let j = i + direction; j >= 0 && j < T; j += direction) {
      const at = middle(j);
      if (Math.abs(at.y - from.y) < 4) continue;
      line ??= at.y;
      if (Math.abs(at.y - line) > 4) break;
      if (Math.abs(at.x - from.x) < distance) [best, distance] = [j, Math.abs(at.x - from.x)];
    }
    return best;
  }
  function step(key, i) {
    switch (key) {
      case "ArrowLeft": return Math.max(i - 1, 0);
      case "ArrowRight": return Math.min(i + 1, T - 1);
      case "ArrowUp": return otherLine(i, -1);
      case "ArrowDown": return otherLine(i, 1);
      case "Home": return 0;
      case "End": return T - 1;
    }
  }
  const toTabOrder = roving(items, step, choose);
  let current = 0;
  return {
    now(i) {
      items[current].classList.remove("now");
      items[current].setAttribute("aria-selected", "false");
      items[i].classList.add("now");
      items[i].setAttribute("aria-selected", "true");
      current = i;
      toTabOrder(i);
    },
    paint(i, colour, isOut) {
      fill(items[i], colour);
      items[i].classList.toggle("out", isOut);
    },
  };
}
