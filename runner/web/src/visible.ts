// Text from logs must not look like another text: characters that are invisible or
// turn the direction of writing are written out, as runwatch does everywhere.
import { options } from "preact";

const hidden =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

export function visible(text: string): string {
  return text.replace(hidden, (c) => {
    const code = c.codePointAt(0) ?? 0;
    if (c === "\r") return "\\r";
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

const spoken = ["title", "aria-label"];

/** Has every text of the page go through `visible`, and what is read out or shown beside it. */
export function guardTexts(): void {
  const before = options.vnode;
  options.vnode = (vnode) => {
    const { type, props } = vnode as { type: unknown; props: unknown };
    // A text has no type, and itself for properties.
    if (type === null && typeof props === "string") (vnode as { props: unknown }).props = visible(props);
    else if (typeof type === "string") guardAttributes(props as Record<string, unknown>);
    before?.(vnode);
  };
}

function guardAttributes(props: Record<string, unknown>): void {
  for (const name of spoken) {
    const text = props[name];
    if (typeof text === "string") props[name] = visible(text);
  }
}
