// Canvases that follow the theme and the screen's pixels: colours come from the style sheet's own names.
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { theme } from "../preferences";

export type Colour = readonly [number, number, number];

/** A number that changes when everything drawn by hand must be drawn again: theme or width. */
export function useRepaint(): number {
  const [count, setCount] = useState(0);
  const chosen = theme.value;
  useEffect(() => {
    const again = () => setCount((old) => old + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", again);
    addEventListener("resize", again);
    again(); // the attribute on <html> follows the signal after this render
    return () => {
      dark.removeEventListener("change", again);
      removeEventListener("resize", again);
    };
  }, [chosen]);
  return count;
}

/** Size the canvas to `width` x `height` CSS pixels and hand out its context, scaled so that one unit is one pixel. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const most = 8192 / Math.max(width, height, 1); // beyond that browsers draw nothing at all
  const ratio = Math.min(devicePixelRatio || 1, 2, most);
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context;
}

/** What a name of tokens.css stands for right now, as red, green, blue. */
export function colourOf(canvas: HTMLCanvasElement, name: string): Colour {
  canvas.style.transitionProperty = "none"; // a colour on its way would be read half-way
  canvas.style.color = `var(--${name})`;
  const found = getComputedStyle(canvas).color.match(/[\d.]+/g)?.map(Number) ?? [];
  return [found[0] ?? 0, found[1] ?? 0, found[2] ?? 0];
}

export const css = ([red, green, blue]: Colour, alpha = 1): string => `rgb(${red} ${green} ${blue} / ${alpha})`;

export function between(low: Colour, high: Colour, share: number): Colour {
  const at = (place: 0 | 1 | 2) => Math.round(low[place] + (high[place] - low[place]) * share);
  return [at(0), at(1), at(2)];
}

/** Draw into a canvas after each render in which one of `reasons` changed. */
export function useDrawing(
  ref: RefObject<HTMLCanvasElement | null>,
  draw: (canvas: HTMLCanvasElement) => void,
  reasons: readonly unknown[],
): void {
  useLayoutEffect(() => {
    if (ref.current) draw(ref.current);
  }, reasons);
}

/** The inner width of an element, kept up to date. */
export function useInnerWidth(ref: RefObject<HTMLElement | null>, first = 640): number {
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setWidth(element.clientWidth);
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return width;
}
