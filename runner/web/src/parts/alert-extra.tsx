// What the dashboard adds to an open alert: where it went, and what can be done about it.
import { useState } from "preact/hooks";
import { get, post, useFetched } from "../api";
import { useLive } from "../live";
import type { Alert, Delivery } from "../types";
import { Loading, Problem } from "./bits";
import { Deliveries } from "./deliveries";
import { Dialog } from "./dialog";
import { SilenceDialog } from "./silence-dialog";

interface Props {
  alert: Alert;
  writable: boolean;
  onChange: () => void;
}

export function AlertExtra({ alert, writable, onChange }: Props) {
  const [asked, setAsked] = useState<"acknowledge" | "silence" | null>(null);
  const found = useFetched(alert.id, (signal) => get<{ deliveries: Delivery[] }>("/api/alert", { id: alert.id }, signal));
  useLive("other", found.reload);
  const deliveries = found.data?.deliveries;
  return (
    <>
      <div class="alert-deliveries">
        <p class="label">Deliveries</p>
        {found.error && !deliveries && <Problem error={found.error} retry={found.reload} />}
        {!deliveries && !found.error && <Loading what="deliveries" />}
        {deliveries?.length === 0 && <p class="quiet">None: no route sends this alert to a sink.</p>}
        {deliveries && deliveries.length > 0 && <Deliveries deliveries={deliveries} brief onResend={null} />}
      </div>
      {writable && (
        <p class="actions">
          {!alert.acknowledged && (
            <button type="button" onClick={() => setAsked("acknowledge")} data-act="acknowledge">
              Acknowledge …
            </button>
          )}
          <button type="button" onClick={() => setAsked("silence")} data-act="silence">
            Silence …
          </button>
        </p>
      )}
      {asked === "acknowledge" && (
        <Dialog
          title="Acknowledge this alert"
          act="Acknowledge"
          onClose={() => setAsked(null)}
          onAct={async (form) => {
            await post("/api/acknowledge", { alert: alert.id, comment: String(form.get("comment") ?? "") });
            onChange();
          }}
        >
          <p>{alert.title}</p>
          <p class="quiet">Others see that somebody is at it, and nothing more about this trouble is sent until it is resolved.</p>
          <label class="field">
            Comment <input name="comment" autocomplete="off" />
          </label>
        </Dialog>
      )}
      {asked === "silence" && <SilenceDialog alert={alert} onClose={() => setAsked(null)} onDone={onChange} />}
    </>
  );
}
