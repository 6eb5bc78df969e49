// Asks what to silence, for how long, and why.
import { post } from "../api";
import type { Alert } from "../types";
import { Dialog } from "./dialog";

const spans: [string, string][] = [
  ["30m", "30 minutes"],
  ["2h", "2 hours"],
  ["8h", "8 hours"],
  ["1d", "1 day"],
  ["7d", "7 days"],
];

interface Props {
  alert: Alert;
  onClose: () => void;
  onDone: () => void;
}

export function SilenceDialog({ alert, onClose, onDone }: Props) {
  const parts = ["project", "run", "detector", "key"] as const;
  const silence = async (form: FormData) => {
    const body: Record<string, unknown> = { for: String(form.get("for")), comment: String(form.get("comment") ?? "") };
    for (const part of parts) if (form.get(part)) body[part] = alert[part];
    await post("/api/silence", body);
    onDone();
  };
  return (
    <Dialog title="Silence" act="Silence" onClose={onClose} onAct={silence}>
      <p class="quiet">Alerts that match all that is ticked are kept and shown here, but sent to no sink. Criticals go out all the same.</p>
      <fieldset>
        <legend>What</legend>
        {parts.map((part) => (
          <label class="check" key={part}>
            <input type="checkbox" name={part} defaultChecked /> {part} <span class="figure">{alert[part]}</span>
          </label>
        ))}
      </fieldset>
      <label class="field">
        For how long{" "}
        <select name="for" defaultValue="2h">
          {spans.map(([value, words]) => (
            <option value={value} key={value} selected={value === "2h"}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        Why <input name="comment" required autocomplete="off" placeholder="for those who wonder" />
      </label>
    </Dialog>
  );
}
