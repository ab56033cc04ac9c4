// Colours of levels, and the few kinds of nodes that everything is drawn with.
const NEUTRAL_INTENSITY = 0.4; // LIT's: a level is shown as it is
const BAR = 5; // px of a bar below the text, at the strongest
// ramps: by paper and hue in even steps, from nothing to the most; signed: the hues of what raised and what lowered the target
const { ramps: RAMPS, signed: SIGNED, unsigned: UNSIGNED } = JSON.parse($("palette").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
let isPrinting = false; // on white paper

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function button(text, act, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

function paragraph(style, ...children) { return element("p", { class: style }, ...children); }

function tableRow(kind, cells) { // cells: [text or node, class]
  return element("tr", {}, ...cells.map(([text, style]) => element(kind, { class: style, scope: kind === "th" ? "col" : null }, text)));
}

function colour(level, signed) {
  const hue = signed ? SIGNED[state.colours][Number(level < 0)] : UNSIGNED;
  const ramp = RAMPS[dark.matches && !isPrinting ? "dark" : "light"][hue];
  const strength = Math.min(1, Math.pow(Math.abs(level), NEUTRAL_INTENSITY / state.intensity));
  return { shade: ramp[Math.round(strength * (ramp.length - 1))], strength };
}

function luminance([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((value) => value / 255)
    .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function paint(node, level, signed) {
  const { shade, strength } = colour(level, signed);
  if (state.marking === "underline") {
    const striped = signed && level < 0; // told apart without colours, too
    const bar = `rgb(${colour(1, signed && level >= 0).shade})`;
    const lowered = `rgb(${colour(-1, signed).shade})`;
    const fill = striped ? `repeating-linear-gradient(90deg, ${lowered} 0 3px, transparent 3px 5px)` : `linear-gradient(${bar}, ${bar})`;
    node.style.background = `${fill} left bottom / 100% ${(BAR * strength).toFixed(1)}px no-repeat`;
    node.classList.add("barred");
    return;
  }
  node.style.background = `rgb(${shade})`;
  node.style.color = luminance(shade) > 0.179 ? "#000" : "#fff"; // whichever contrasts more
}

function percent(share) { return `${(100 * share).toFixed(1)}%`; }

function shorten(text, length) {
  const line = text.trim().replaceAll("\n", "↵");
  const characters = [...line];
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : line || "↵";
}
