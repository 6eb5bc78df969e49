// The last values of a metric, as small as a word.
import { toNumber, value } from "../format";
import type { Alert } from "../types";

const width = 220;
const height = 44;

export function Sparkline({ recent }: { recent: NonNullable<Alert["recent"]> }) {
  const values = recent.values.map(toNumber).map((v) => (v !== null && Number.isFinite(v) ? v : null));
  const finite = values.filter((v): v is number => v !== null);
  if (finite.length === 0) return null;
  const least = Math.min(...finite);
  const most = Math.max(...finite);
  const x = (at: number) => 4 + ((width - 8) * at) / Math.max(values.length - 1, 1);
  const y = (v: number) => (most === least ? height / 2 : height - 5 - ((height - 10) * (v - least)) / (most - least));
  let pen = "M";
  let path = "";
  values.forEach((v, at) => {
    if (v === null) pen = "M";
    else {
      path += `${pen}${x(at).toFixed(1)} ${y(v).toFixed(1)}`;
      pen = "L";
    }
  });
  const words = `${recent.metric}, the last ${values.length} values, from ${value(least)} to ${value(most)}`;
  return (
    <figure class="sparkline">
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={words}>
        <path d={path} />
        {values.map((v, at) =>
          v === null ? (
            <path class="odd" key={at} d={`M${x(at) - 3} ${height - 8}l6 6m0-6l-6 6`} />
          ) : finite.length === 1 || at === values.length - 1 ? (
            <circle key={at} cx={x(at)} cy={y(v)} r="2.5" />
          ) : null,
        )}
      </svg>
      <figcaption>{words}</figcaption>
    </figure>
  );
}
