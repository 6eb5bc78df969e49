// A short piece of a line, as it is drawn.
const dashes = ["", "4 2", "1.5 2", "5 2 1.5 2"];

export function Swatch({ hue, old = false }: { hue: number; old?: boolean }) {
  return (
    <svg class={`swatch hue-${hue % 8}${old ? " old" : ""}`} width="16" height="8" aria-hidden="true">
      <line x1="0" y1="4" x2="16" y2="4" stroke-dasharray={old ? "2 2" : dashes[Math.floor(hue / 8) % dashes.length]} />
    </svg>
  );
}
