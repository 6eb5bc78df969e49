// The fields that choose alerts.
import type { Filter } from "./alert-filter";
import { isFiltered, noFilter } from "./alert-filter";

interface Props {
  /** What is filtered, for screen readers. */
  label: string;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  detectors: string[];
  /** null: the run is given. */
  runs: { project: string; run: string }[] | null;
}

export function AlertFilters({ label, filter, onFilter, detectors, runs }: Props) {
  const set = (changes: Partial<Filter>) => onFilter({ ...filter, ...changes });
  return (
    <form class="filters" role="search" aria-label={label} onSubmit={(event) => event.preventDefault()}>
      <label>
        Text <input type="search" value={filter.text} placeholder="title, message, detector, run" onInput={(event) => set({ text: event.currentTarget.value })} data-filter="text" />
      </label>
      <label>
        Level{" "}
        <select value={filter.level} onChange={(event) => set({ level: event.currentTarget.value as Filter["level"] })} data-filter="level">
          <option value="">all</option>
          <option value="warning">warning and above</option>
          <option value="critical">critical</option>
        </select>
      </label>
      <label>
        State{" "}
        <select value={filter.state} onChange={(event) => set({ state: event.currentTarget.value as Filter["state"] })} data-filter="state">
          <option value="">all</option>
          <option value="firing">firing</option>
          <option value="resolved">resolved</option>
        </select>
      </label>
      <label>
        Detector{" "}
        <select value={filter.detector} onChange={(event) => set({ detector: event.currentTarget.value })} data-filter="detector">
          <option value="">all</option>
          {withChosen(detectors, filter.detector).map((name) => (
            <option value={name} key={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {runs && (
        <label>
          Run{" "}
          <select
            value={filter.run ? JSON.stringify([filter.project, filter.run]) : ""}
            onChange={(event) => {
              const [project, run] = event.currentTarget.value ? (JSON.parse(event.currentTarget.value) as [string, string]) : ["", ""];
              set({ project, run });
            }}
            data-filter="run"
          >
            <option value="">all</option>
            {runs.map(({ project, run }) => (
              <option value={JSON.stringify([project, run])} key={JSON.stringify([project, run])}>
                {project} / {run}
              </option>
            ))}
          </select>
        </label>
      )}
      {isFiltered(filter) && (
        <button type="button" onClick={() => onFilter({ ...noFilter, ...(runs ? {} : { project: filter.project, run: filter.run }) })}>
          Clear
        </button>
      )}
    </form>
  );
}

function withChosen(names: string[], chosen: string): string[] {
  const all = new Set(names);
  if (chosen) all.add(chosen);
  return [...all].sort((a, b) => a.localeCompare(b));
}
