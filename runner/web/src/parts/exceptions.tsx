// Exceptions of a run, their tracebacks folded.
import { count, step } from "../format";
import type { Exception } from "../types";

export function Exceptions({ exceptions, level }: { exceptions: Exception[]; level: 2 | 3 }) {
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <section class="part">
      <Heading>
        Exceptions <span class="heading-count">{count(exceptions.length)}</span>
      </Heading>
      <ul class="exceptions">
        {exceptions.map((exception, at) => (
          <li key={at}>
            <p>
              <strong class="figure">{exception.type}</strong> {exception.message}
              <span class="note">{where(exception)}</span>
            </p>
            {exception.traceback && (
              <details>
                <summary>Traceback, {count(exception.traceback.split("\n").length)} lines</summary>
                <pre tabIndex={0}>{exception.traceback}</pre>
              </details>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function where({ rank, step: at, line, input }: Exception): string {
  const parts: string[] = [];
  if (input !== null) parts.push(line === null ? input : `${input}:${line}`);
  if (rank !== null) parts.push(`rank ${rank}`);
  if (at !== null) parts.push(`step ${step(at)}`);
  return parts.join(", ");
}
