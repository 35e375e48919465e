// Asks for the API key of the service.

import { byId } from "./elements.js";

/** Resolves to the key, or to null if the reader gives none. `refusal` says what was wrong with the key before. */
export function askForKey(refusal) {
  const dialog = byId("key-dialog");
  const field = byId("key");
  byId("key-refusal").textContent = refusal ?? "";
  byId("key-refusal").hidden = !refusal;
  field.value = "";
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use" ? field.value.trim() || null : null), {
      once: true,
    });
  });
}
