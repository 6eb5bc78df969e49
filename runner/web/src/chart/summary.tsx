// What a chart shows, as a table that only a screen reader finds.
import { count, step, value } from "../format";
import type { Drawing } from "./lines";

export function Summary({ name, drawing, alerts }: { name: string; drawing: Drawing; alerts: number }) {
  return (
    <div class="hidden">
      <table>
        <caption>
          {name} in figures; {count(alerts)} alerts marked, {count(drawing.odd.length)} values that are no numbers
        </caption>
        <thead>
          <tr>
            {["line", "first step", "last step", "first", "last", "least", "greatest"].map((head) => (
              <th scope="col" key={head}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {drawing.lines.map((line, at) => {
            const finite = line.values.filter((v): v is number => v !== null && Number.isFinite(v));
            const least = finite.reduce((a, b) => Math.min(a, b), Infinity);
            const most = finite.reduce((a, b) => Math.max(a, b), -Infinity);
            const none = finite.length === 0;
            return (
              <tr key={at}>
                <th scope="row">{line.label}</th>
                <td>{step(line.steps[0] ?? null)}</td>
                <td>{step(line.steps[line.steps.length - 1] ?? null)}</td>
                <td>{value(none ? null : finite[0])}</td>
                <td>{value(none ? null : finite[finite.length - 1])}</td>
                <td>{value(none ? null : least)}</td>
                <td>{value(none ? null : most)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
