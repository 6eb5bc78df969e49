// Alerts below each other, the newest first.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Alert } from "../types";
import { AlertItem } from "./alert-item";

interface Props {
  alerts: Alert[];
  /** One to open and go to; changes of `turn` go there again. */
  selected?: { alert: string; turn: number } | null;
  fresh?: ReadonlySet<string>;
  named: boolean;
  linked: boolean;
  extra?: (alert: Alert) => ComponentChildren;
  onShow?: (alert: Alert) => void;
}

export function AlertList({ alerts, selected, fresh, named, linked, extra, onShow }: Props) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (id: string, on: boolean) =>
    setOpen((old) => {
      const next = new Set(old);
      if (on) next.add(id);
      else next.delete(id);
      return next;
    });
  useEffect(() => {
    if (selected) toggle(selected.alert, true);
  }, [selected?.alert, selected?.turn]);
  return (
    <ol class="alerts">
      {alerts.map((alert) => (
        <AlertItem
          key={alert.id}
          alert={alert}
          open={open.has(alert.id)}
          onOpen={(on) => toggle(alert.id, on)}
          fresh={fresh?.has(alert.id) ?? false}
          focus={selected?.alert === alert.id && open.has(alert.id)}
          named={named}
          linked={linked}
          {...(extra ? { extra: () => extra(alert) } : {})}
          onShow={onShow && alert.step !== null ? () => onShow(alert) : undefined}
        />
      ))}
    </ol>
  );
}
