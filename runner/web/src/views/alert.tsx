// One alert on a page of its own: what a link from elsewhere leads to.
import { get, useFetched } from "../api";
import { AlertExtra } from "../parts/alert-extra";
import { AlertList } from "../parts/alert-list";
import { Loading, Problem } from "../parts/bits";
import { link, runLink } from "../router";
import type { Alert } from "../types";

export function AlertView({ id, writable }: { id: string; writable: boolean }) {
  const { data, error, reload } = useFetched(id, (signal) => get<{ alert: Alert }>("/api/alert", { id }, signal));
  return (
    <>
      <p class="crumbs">
        <a href={link(["alerts"])}>Alerts</a>
      </p>
      <h1>{data?.alert.title ?? "Alert"}</h1>
      {error && <Problem error={error} retry={reload} />}
      {!data && !error && <Loading what="the alert" />}
      {data && (
        <>
          <AlertList alerts={[data.alert]} selected={{ alert: id, turn: 0 }} named linked extra={(alert) => <AlertExtra alert={alert} writable={writable} onChange={reload} />} />
          <p>
            <a href={runLink(data.alert.project, data.alert.run, { alert: id })}>The run, its charts and other alerts</a>
          </p>
        </>
      )}
    </>
  );
}
