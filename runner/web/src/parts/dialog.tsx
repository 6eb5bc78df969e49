// A question over the page; Escape and Cancel close it.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { asFailure, type Failure } from "../api";
import { Problem } from "./bits";

interface Props {
  title: string;
  /** What the button that does it says. */
  act: string;
  onAct: (form: FormData) => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, act, onAct, onClose, children }: Props) {
  const place = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Failure | null>(null);
  useEffect(() => place.current?.showModal(), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onAct(new FormData(event.currentTarget as HTMLFormElement));
      place.current?.close();
    } catch (failed) {
      setError(asFailure(failed));
    }
    setBusy(false);
  };
  return (
    <dialog ref={place} aria-labelledby={id} onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id={id}>{title}</h2>
        {children}
        {error && <Problem error={error} />}
        <p class="dialog-buttons">
          <button type="button" onClick={() => place.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {act}
          </button>
        </p>
      </form>
    </dialog>
  );
}
