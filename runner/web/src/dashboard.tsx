// The live dashboard: which view, and what holds for all of them.
import { useEffect, useRef, useState } from "preact/hooks";
import { Empty, Hidden } from "./parts/bits";
import { ThemeButton } from "./parts/theme-button";
import { startLive, useConnection, useLive } from "./live";
import { link, type Place, usePlace } from "./router";
import type { ServeData } from "./types";
import { AlertView } from "./views/alert";
import { AlertsView } from "./views/alerts";
import { CompareView } from "./views/compare";
import { DeliveriesView } from "./views/deliveries";
import { DetectorsView } from "./views/detectors";
import { RunView } from "./views/run";
import { RunsView } from "./views/runs";
import { SilencesView } from "./views/silences";

const tabs: [string, string][] = [
  ["runs", "Runs"],
  ["alerts", "Alerts"],
  ["deliveries", "Deliveries"],
  ["detectors", "Detectors"],
  ["silences", "Silences"],
];

export function Dashboard({ data }: { data: ServeData }) {
  const place = usePlace();
  const tab = tabOf(place);
  const unseen = useUnseen(tab === "alerts");
  const announced = useAnnouncements();
  useEffect(startLive, []);
  useEffect(() => {
    document.title = `${unseen > 0 ? `(${unseen}) ` : ""}${titleOf(place)} · runwatch`;
  }, [place, unseen]);
  useArrival(place);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="wordmark" href={link([])}>
          runwatch
        </a>
        <nav aria-label="Views">
          {tabs.map(([name, words]) => (
            <a href={link([name])} key={name} {...(tab === name ? { "aria-current": "page" as const } : {})}>
              {words}
              {name === "alerts" && unseen > 0 && (
                <span class="unseen">
                  {unseen} <Hidden>new</Hidden>
                </span>
              )}
            </a>
          ))}
        </nav>
        <span class="top-end">
          <ConnectionNote />
          <ThemeButton />
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        <View place={place} writable={data.writable} />
      </main>
      <footer>
        runwatch {data.version}
        {!data.writable && <span> · read only</span>}
      </footer>
      <Hidden live>{announced}</Hidden>
    </>
  );
}

function View({ place, writable }: { place: Place; writable: boolean }) {
  const [view, first, second] = place.path;
  switch (view) {
    case undefined:
    case "runs":
      return <RunsView place={place} />;
    case "run":
      if (first === undefined || second === undefined) break;
      return <RunView key={`${first}\n${second}`} project={first} run={second} named={place.query.get("alert")} writable={writable} />;
    case "compare":
      return <CompareView place={place} />;
    case "alerts":
      return <AlertsView place={place} writable={writable} />;
    case "alert":
      if (first === undefined) break;
      return <AlertView key={first} id={first} writable={writable} />;
    case "deliveries":
      return <DeliveriesView place={place} writable={writable} />;
    case "detectors":
      return <DetectorsView />;
    case "silences":
      return <SilencesView writable={writable} />;
  }
  return (
    <Empty title="There is no such view.">
      <p>
        <a href={link([])}>All runs</a>
      </p>
    </Empty>
  );
}

function ConnectionNote() {
  const connection = useConnection();
  if (connection === "lost") {
    return (
      <span class="connection lost" role="status">
        connection lost, retrying
      </span>
    );
  }
  return <span class={`connection ${connection}`}>{connection === "open" ? "live" : "connecting"}</span>;
}

/** A new view starts at its top, for the eyes and for the keyboard. */
function useArrival({ path }: Place): void {
  const known = useRef(path.join("\n"));
  useEffect(() => {
    if (known.current === path.join("\n")) return;
    known.current = path.join("\n");
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [path.join("\n")]);
}

/** How many alerts came while the reader was elsewhere. */
function useUnseen(looking: boolean): number {
  const [unseen, setUnseen] = useState(0);
  useLive("alerts", (alerts) => !looking && setUnseen((n) => n + alerts.length));
  useEffect(() => {
    if (looking) setUnseen(0);
  }, [looking]);
  return looking ? 0 : unseen;
}

/** New alerts in words, for screen readers. */
function useAnnouncements(): string {
  const [said, say] = useState("");
  useLive("alerts", (alerts) => {
    const last = alerts[alerts.length - 1];
    if (!last) return;
    const more = alerts.length > 1 ? `, and ${alerts.length - 1} more` : "";
    say(`New alert, ${last.state === "resolved" ? "resolved" : last.severity}: ${last.title}, run ${last.run}${more}`);
  });
  return said;
}

function tabOf({ path }: Place): string {
  const [view = "runs"] = path;
  if (view === "run" || view === "compare") return "runs";
  return view === "alert" ? "alerts" : view;
}

function titleOf({ path }: Place): string {
  if (path[0] === "run" && path[2]) return path[2];
  if (path[0] === "compare") return "Compare";
  return tabs.find(([name]) => name === (path[0] ?? "runs"))?.[1] ?? "runwatch";
}

/** The hash names the view, so the link must not change it. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
