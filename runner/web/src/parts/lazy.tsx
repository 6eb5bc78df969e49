// Shows its children only while they are near what the reader sees, and on paper.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

const near = new Map<Element, (there: boolean) => void>();
let watch: IntersectionObserver | null = null;
let printing = false;
addEventListener("beforeprint", () => {
  printing = true;
});
addEventListener("afterprint", () => {
  printing = false;
});

export function Lazy({ height, children }: { height: number; children: () => ComponentChildren }) {
  const place = useRef<HTMLDivElement>(null);
  const [there, setThere] = useState(false);
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    watch ??= new IntersectionObserver(
      (entries) => {
        for (const entry of entries) near.get(entry.target)?.(entry.isIntersecting);
      },
      { rootMargin: "700px 0px" },
    );
    near.set(box, (now) => {
      // What holds the focus stays, or the keyboard would lose its place.
      if (now || !(printing || box.contains(document.activeElement))) setThere(now);
    });
    watch.observe(box);
    const print = () => setThere(true);
    addEventListener("beforeprint", print);
    return () => {
      near.delete(box);
      watch?.unobserve(box);
      removeEventListener("beforeprint", print);
    };
  }, []);
  return (
    <div class="lazy" ref={place} style={{ minHeight: `${height}px` }}>
      {there && children()}
    </div>
  );
}
