// The states of a delivery, in the order in which it may go through them.
export const deliveryStates = ["pending", "held", "sending", "delivered", "accepted", "dead", "expired", "dropped", "suppressed"];

const looks: Record<string, string> = {
  pending: "waiting",
  held: "waiting",
  sending: "waiting",
  delivered: "good",
  accepted: "good",
  active: "good",
  dead: "bad",
  expired: "bad",
  dropped: "bad",
};

/** Given up, or too old when its turn came: only these can be sent again. */
export function canResend(state: string): boolean {
  return state === "dead" || state === "expired";
}

/** A state of a delivery or a silence. */
export function State({ state }: { state: string }) {
  return <span class={`delivery ${Object.hasOwn(looks, state) ? looks[state] : ""}`}>{state}</span>;
}
