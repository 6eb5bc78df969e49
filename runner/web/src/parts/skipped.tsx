// What was read of each input, and what was not understood.
import { count } from "../format";
import type { Skipped } from "../types";

export function SkippedTable({ skipped }: { skipped: Skipped[] }) {
  return (
    <table class="cards">
      <thead>
        <tr>
          <th scope="col">input</th>
          <th scope="col" class="number">
            lines
          </th>
          <th scope="col" class="number">
            records
          </th>
          <th scope="col" class="number">
            malformed
          </th>
          <th scope="col">the first of them</th>
        </tr>
      </thead>
      <tbody>
        {skipped.map((input, at) => (
          <tr key={at}>
            <th scope="row" class="figure">
              {input.input}
            </th>
            <td data-label="lines" class="number">
              {count(input.lines)}
            </td>
            <td data-label="records" class="number">
              {count(input.records)}
            </td>
            <td data-label="malformed" class="number">
              {count(input.malformed)}
            </td>
            <td data-label="the first of them" class="wide">
              {input.first_malformed ? `line ${count(input.first_malformed.line)}: ${input.first_malformed.problem}` : <span class="quiet">–</span>}
              {leftOut(input.left_out) && <span class="note">left out: {leftOut(input.left_out)}</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Whatever it is, in words. */
function leftOut(raw: unknown): string {
  if (raw === null || raw === undefined || raw === 0 || raw === "") return "";
  if (typeof raw === "object") {
    const parts = Object.entries(raw).filter(([, value]) => value);
    return parts.map(([name, value]) => `${name} ${String(value)}`).join(", ");
  }
  return String(raw);
}
