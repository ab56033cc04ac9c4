// The words of the page in the reader's language: io/page/words.py has the rules. `*so*` is bold, and `[←]` a key.
const WORDS = JSON.parse($("words").textContent);
let language = chooseLanguage(navigator.languages);

function $(id) { return document.getElementById(id); }

function chooseLanguage(wanted) { // the first of the reader's languages that the page has
  const fixed = document.documentElement.dataset.language;
  if (Object.hasOwn(WORDS, fixed)) return fixed;
  const found = wanted.map((tag) => (/^zh\b/i.test(tag) ? "zh-TW" : tag.split("-")[0])).find((tag) => Object.hasOwn(WORDS, tag));
  return found ?? "en";
}

function say(key, values = {}) {
  const words = WORDS[language];
  const form = key in words ? key : `${key}.${language === "en" && values.count === 1 ? "one" : "other"}`;
  if (!(form in words)) throw new Error(`no words for ${key}`);
  return words[form].replaceAll(/\{(\w+)\}/g, (_, name) => {
    if (!(name in values)) throw new Error(`no value for ${name} in ${key}`);
    return values[name];
  });
}

function markUp(text) { // nodes: bold, keys and plain text
  return text.split(/(\*[^*]+\*|\[[^\]]+\])/).filter(Boolean).map((part) => {
    if (/^\*.+\*$/.test(part)) return element("b", {}, part.slice(1, -1));
    return /^\[.+\]$/.test(part) ? element("kbd", {}, part.slice(1, -1)) : part;
  });
}

function fillWords() { // all that never changes but with the language
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-say]")) node.replaceChildren(...markUp(say(node.dataset.say)));
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", say(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]")) node.setAttribute("placeholder", say(node.dataset.hint));
}
