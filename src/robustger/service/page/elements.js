// Makes elements. Text goes into the page as text only.

/** An element: `make("p", {class: "note", onclick: f}, "text", child)`; null children are left out. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** 65.2 as "1:05.2", or as "1:05" without tenths. */
export function clock(seconds, { tenths = false } = {}) {
  const units = Math.round(seconds * (tenths ? 10 : 1)) / (tenths ? 10 : 1);
  const whole = Math.floor(units);
  const rest = String(whole % 60).padStart(2, "0") + (tenths ? `.${Math.round((units - whole) * 10)}` : "");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** "1 word" or "3 words". */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

let spoken = 0;

/** Tells people who listen to the page what happened. */
export function announce(message) {
  const region = byId("announcer");
  spoken += 1; // the same message twice is still news
  region.replaceChildren(make("span", { "data-number": spoken }, message));
}

/** Shows an error above the work; null takes it away. */
export function showError(message) {
  byId("error-text").textContent = message ?? "";
  byId("error").hidden = !message;
}
