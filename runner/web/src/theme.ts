// Light or dark: as the system says, unless the reader chose.
import { useEffect, useState } from "preact/hooks";

export type Choice = "auto" | "light" | "dark";

const key = "runwatch-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let choice: Choice = "auto";
let printing = false;
let version = 0;

/** Applies the stored choice; paper is always light. */
export function startTheme(): void {
  choice = stored();
  system.addEventListener("change", apply);
  addEventListener("beforeprint", () => setPrinting(true));
  addEventListener("afterprint", () => setPrinting(false));
  apply();
}

export function themeChoice(): Choice {
  return choice;
}

export function chooseTheme(next: Choice): void {
  choice = next;
  try {
    localStorage.setItem(key, next);
  } catch {
    // Storage may be closed to a page opened as a file: the choice then lasts until it is closed.
  }
  apply();
}

/** A number that changes with the colours, for what is painted by script. */
export function useThemeVersion(): number {
  const [seen, see] = useState(version);
  useEffect(() => {
    const listen = () => see(version);
    listeners.add(listen);
    return () => void listeners.delete(listen);
  }, []);
  return seen;
}

/** Paper has no buttons and no pointer: what they show is painted. */
export function isPrinting(): boolean {
  return printing;
}

/** The value of a CSS custom property now. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function stored(): Choice {
  try {
    const found = localStorage.getItem(key);
    return found === "light" || found === "dark" ? found : "auto";
  } catch {
    return "auto";
  }
}

function setPrinting(on: boolean): void {
  printing = on;
  if (on) unfold();
  else fold();
  apply();
}

let unfolded: HTMLDetailsElement[] = [];

/** Paper cannot be unfolded: what is folded is open on it. Menus are not printed at all. */
function unfold(): void {
  unfolded = [...document.querySelectorAll<HTMLDetailsElement>("details:not([open], .chooser)")];
  for (const details of unfolded) details.open = true;
}

function fold(): void {
  for (const details of unfolded) details.open = false;
  unfolded = [];
}

function apply(): void {
  const dark = !printing && (choice === "dark" || (choice === "auto" && system.matches));
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  version += 1;
  for (const listen of listeners) listen();
}
