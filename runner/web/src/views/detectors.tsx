// The detectors: what they cost, and what went wrong with them.
import { get, useFetched } from "../api";
import { useLive, useThrottled } from "../live";
import { Empty, Loading, Problem } from "../parts/bits";
import { DetectorTable } from "../parts/detector-table";
import type { Detector } from "../types";

export function DetectorsView() {
  const { data, error, reload } = useFetched("detectors", (signal) => get<{ detectors: Detector[] }>("/api/detectors", {}, signal));
  const again = useThrottled(reload, 1000);
  useLive("other", again);
  useLive("back", again);
  return (
    <>
      <h1>Detectors</h1>
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading what="detectors" />}
      {data?.detectors.length === 0 && (
        <Empty title="No detector was seen yet.">
          <p>They are listed here once a run is watched, with what they cost and what went wrong.</p>
        </Empty>
      )}
      {data && data.detectors.length > 0 && <DetectorTable detectors={data.detectors} seen />}
    </>
  );
}
