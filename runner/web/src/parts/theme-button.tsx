import { useState } from "preact/hooks";
import { type Choice, chooseTheme, themeChoice } from "../theme";

const next: Record<Choice, Choice> = { auto: "light", light: "dark", dark: "auto" };
const said: Record<Choice, string> = { auto: "as the system", light: "light", dark: "dark" };

export function ThemeButton() {
  const [choice, setChoice] = useState(themeChoice);
  return (
    <button
      type="button"
      class="theme"
      title={`Colours: ${said[choice]}`}
      onClick={() => {
        chooseTheme(next[choice]);
        setChoice(next[choice]);
      }}
    >
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <circle cx="8" cy="8" r="6.25" class="ring" />
        <path d="M8 1.75a6.25 6.25 0 0 1 0 12.5z" />
      </svg>
      <span>{choice === "auto" ? "Auto" : choice === "light" ? "Light" : "Dark"}</span>
    </button>
  );
}
