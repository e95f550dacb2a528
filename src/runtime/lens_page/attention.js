// Where each head looks: the text as one head sees it, that head's map, and all maps side by side.

function showAttention() {
  const { layers, heads } = data.attention, bytes = bytesOf(data.attention.weights);
  const size = T * (T + 1) / 2, columns = heads.length + (heads.length > 1 ? 1 : 0);
  const at = (t, s) => t * (t + 1) / 2 + s;  // in a map: its rows are as long as they can be
  // The heads of each layer, and their mean after them.
  const maps = layers.map((layer, l) => {
    const own = heads.map((head, h) => bytes.subarray((l * heads.length + h) * size, (l * heads.length + h + 1) * size));
    if (own.length === 1) return own;
    const mean = new Float32Array(size);
    for (let i = 0; i < size; ++i) mean[i] = own.reduce((sum, map) => sum + map[i], 0) / own.length;
    return [...own, mean];
  });
  // To begin with, the head with most to see: how strongly it looks at other tokens than itself and the first.
  function interest(map) {
    let sum = 0;
    for (let t = 2; t < T; ++t) {
      let most = 0;
      for (let s = 1; s < t; ++s) most = Math.max(most, map[at(t, s)]);
      sum += most;
    }
    return sum;
  }
  const now = { layer: 0, head: 0, token: T - 1, isBackwards: false };
  let best = -1;
  maps.forEach((own, l) => heads.forEach((_, h) => {
    const found = interest(own[h]);
    if (found > best) [best, now.layer, now.head] = [found, l, h];
  }));
  while (now.token > 0 && !tokens[now.token].trim()) --now.token;
  const weight = (t, s) => maps[now.layer][now.head][at(t, s)] / 255;
  // Between the chosen token and another; nothing where the later one is not the one that looks.
  const between = other => now.isBackwards ? (other >= now.token ? weight(other, now.token) : undefined)
                                           : (other <= now.token ? weight(now.token, other) : undefined);
  const nameOf = (l, h) => `layer ${layers[l]}, ` + (h < heads.length ? `head ${heads[h]}` : "mean of its heads");

  // --- the text ---
  const text = showText(place("text"), token => { now.token = token; show(); });
  const directions = [place("looks"), place("is-looked-at")];
  directions.forEach((button, i) => button.addEventListener("click", () => { now.isBackwards = i === 1; show(); }));

  function showTokens() {
    const found = [];
    for (let i = 0; i < T; ++i) {
      const value = between(i);
      text.paint(i, value > 0.002 ? colourOf(value) : null, value === undefined);
      if (value > 0.004) found.push([i, value]);
    }
    text.now(now.token);
    directions.forEach((button, i) => button.setAttribute("aria-pressed", now.isBackwards === (i === 1)));
    found.sort((a, b) => b[1] - a[1]);
    place("said").textContent = `${quoted(tokens[now.token])} ${now.isBackwards ? "is looked at by" : "looks at"}`;
    showBars(place("targets"), found.slice(0, 6).map(([i, value]) => [oneLine(tokens[i]), value, `${i}`]));
  }

  // --- one large map ---
  const map = place("map"), label = T <= 34 ? 76 : 0;
  function showMap() {
    place("map-name").textContent = nameOf(now.layer, now.head).replace(/^l/, "L");
    const width = map.clientWidth, cell = (width - label) / T, dense = devicePixelRatio || 1;
    map.width = width * dense;
    map.height = cell * T * dense;
    map.style.aspectRatio = `${width} / ${cell * T}`;
    const draw = map.getContext("2d");
    draw.scale(dense, dense);
    drawMap(draw, maps[now.layer][now.head], label, 0, cell * T);
    const style = getComputedStyle(document.documentElement);
    draw.font = `${Math.min(12, cell + 1)}px system-ui, sans-serif`;
    draw.textAlign = "right";
    draw.textBaseline = "middle";
    for (let t = 0; label && t < T; ++t) {
      draw.fillStyle = style.getPropertyValue(t === now.token ? "--ink" : "--dim");
      draw.fillText(clipped(draw, oneLine(tokens[t]), label - 8), label - 6, (t + 0.5) * cell);
    }
    draw.strokeStyle = style.getPropertyValue("--focus");
    draw.lineWidth = 1.5;
    const i = now.token;
    if (now.isBackwards) draw.strokeRect(label + i * cell, i * cell + 0.75, cell, (T - i) * cell - 1.5);
    else draw.strokeRect(label + 0.75, i * cell, (i + 1) * cell - 0.75, cell);
  }
  function clipped(draw, name, width) {
    while (name.length > 1 && draw.measureText(name).width > width) name = name.replace(/…?$/, "").slice(0, -1) + "…";
    return name;
  }
  map.addEventListener("pointermove", event => {
    const box = map.getBoundingClientRect(), cell = (box.width - label) / T;
    const t = Math.floor((event.clientY - box.top) / cell), s = Math.floor((event.clientX - box.left - label) / cell);
    const token = now.isBackwards ? s : t;
    if (token < 0 || token >= T) return;
    if (token !== now.token) {
      now.token = token;
      show();
    }
    place("pair").textContent = s >= 0 && s <= t ? `${quoted(tokens[t])} at ${quoted(tokens[s])} ${share(weight(t, s))}` : "";
  });
  map.addEventListener("pointerleave", () => { place("pair").textContent = ""; });

  // --- all maps ---
  const picture = element("canvas");
  picture.width = picture.height = T;
  function drawMap(draw, weights, left, top, side) {
    const image = new ImageData(T, T);
    for (let t = 0; t < T; ++t) {
      for (let s = 0; s <= t; ++s) image.data.set([...shades[Math.round(weights[at(t, s)])], 255], 4 * (t * T + s));
    }
    picture.getContext("2d").putImageData(image, 0, 0);
    draw.imageSmoothingEnabled = side * devicePixelRatio < 1.5 * T;
    draw.drawImage(picture, left, top, side, side);
  }
  let shades;
  const buttons = [], canvases = [];
  layers.forEach((layer, l) => {
    const row = element("div", { class: "row", role: "group", "aria-label": `layer ${layer}` });
    maps[l].forEach((_, h) => {
      const canvas = element("canvas");
      const button = element("button", { class: "head", type: "button", "aria-label": nameOf(l, h) }, canvas,
                             h < heads.length ? `${heads[h]}` : "mean");
      button.addEventListener("click", () => button.focus());
      buttons.push(button);
      canvases.push(canvas);
      row.append(button);
    });
    place("heads").append(element("div", { class: "layer" }, `layer ${layer}`), row);
  });
  place("heads").style.setProperty("--columns", columns <= 13 ? `repeat(${columns}, minmax(0, 132px))` : "repeat(auto-fill, minmax(54px, 1fr))");
  place("all-heads").hidden = buttons.length === 1;
  const toTabOrder = roving(buttons, inColumns(columns, buttons.length), i => {
    now.layer = Math.floor(i / columns);
    now.head = i % columns;
    show();
  });
  function showHeads() {
    canvases.forEach((canvas, i) => {
      const side = Math.round(canvas.clientWidth * (devicePixelRatio || 1));
      canvas.width = canvas.height = side;
      drawMap(canvas.getContext("2d"), maps[Math.floor(i / columns)][i % columns], 0, 0, side);
    });
  }

  function show() {
    showTokens();
    showMap();
    const chosen = now.layer * columns + now.head;
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === chosen));
    toTabOrder(chosen);
  }
  function repaint() {
    shades = Array.from({ length: 256 }, (_, i) => colourOf(i / 255));
    const scale = place("scale"), draw = scale.getContext("2d");
    for (let x = 0; x < scale.width; ++x) {
      draw.fillStyle = css(colourOf((x / (scale.width - 1)) ** 2));
      draw.fillRect(x, 0, 1, scale.height);
    }
    showHeads();
    show();
  }
  repaints.push(repaint);
  addEventListener("resize", repaint);
  repaint();
}
if (data.attention) showAttention();
