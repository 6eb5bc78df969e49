// What detectors cost, and how they fared.
import { bytes, count, duration, value } from "../format";
import type { Detector } from "../types";
import { Time } from "./bits";

/** `seen`: with the watch each was seen in, and when. */
export function DetectorTable({ detectors, seen }: { detectors: Detector[]; seen: boolean }) {
  // A report knows what they are, not what they cost.
  const measured = detectors.some((detector) => detector.rows > 0 || detector.time_ms > 0);
  const total = detectors.reduce((sum, detector) => sum + detector.time_ms, 0);
  return (
    <table class="cards detectors">
      <thead>
        <tr>
          <th scope="col">detector</th>
          {seen && <th scope="col">watch</th>}
          <th scope="col">faults</th>
          {measured && (
            <>
              <th scope="col" class="number" title="Time per row">
                ns/row
              </th>
              <th scope="col" class="number">
                time
              </th>
              <th scope="col" class="number">
                share
              </th>
              <th scope="col" class="number">
                rows
              </th>
              <th scope="col" class="number">
                memory
              </th>
            </>
          )}
          {seen && <th scope="col">updated</th>}
        </tr>
      </thead>
      <tbody>
        {[...detectors]
          .sort((a, b) => b.time_ms - a.time_ms)
          .map((detector) => (
            <tr key={`${detector.digest}\n${detector.name}\n${detector.project}\n${detector.run}`} data-detector={detector.name}>
              <th scope="row" class="wide">
                <span class="stack">
                  <span title={detector.digest}>
                    {detector.name} <span class="quiet">{detector.version}</span>
                  </span>
                  <span class="note">{detector.summary}</span>
                </span>
              </th>
              {seen && <td data-label="watch" class="name">{detector.run === null ? <span class="quiet">–</span> : `${detector.project ?? ""} / ${detector.run}`}</td>}
              <td data-label="faults">
                <Faults detector={detector} />
              </td>
              {measured && (
                <>
                  <td data-label="ns per row" class="number">
                    {detector.rows > 0 ? value((detector.time_ms * 1e6) / detector.rows, 3) : "–"}
                  </td>
                  <td data-label="time" class="number">
                    {duration(detector.time_ms)}
                  </td>
                  <td data-label="share" class="number">
                    {total > 0 ? `${((100 * detector.time_ms) / total).toFixed(1)} %` : "–"}
                  </td>
                  <td data-label="rows" class="number">
                    {count(detector.rows)}
                  </td>
                  <td data-label="memory" class="number">
                    {bytes(detector.memory_bytes)}
                  </td>
                </>
              )}
              {seen && (
                <td data-label="updated">
                  <Time at={detector.updated} />
                </td>
              )}
            </tr>
          ))}
      </tbody>
    </table>
  );
}

function Faults({ detector }: { detector: Detector }) {
  return (
    <span class="stack">
      <span>
        {detector.faults === 0 ? <span class="quiet">none</span> : <span class="delivery waiting">{count(detector.faults)}</span>}{" "}
        {detector.quarantined && <span class="delivery bad">quarantined</span>}
      </span>
      {(detector.behind > 0 || detector.left_out > 0) && (
        <span class="note">
          {count(detector.behind)} rows behind, {count(detector.left_out)} left out
        </span>
      )}
      {detector.last_fault && <span class="note">{detector.last_fault}</span>}
    </span>
  );
}
