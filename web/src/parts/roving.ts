// Left and right walk through many small items that share one stop of the Tab key.

export function walk(event: KeyboardEvent, container: HTMLElement | null, selector: string): void {
  const from = (event.target as HTMLElement).closest<HTMLElement>(selector);
  if (!from || !container) return;
  const all = [...container.querySelectorAll<HTMLElement>(selector)];
  const at = all.indexOf(from);
  const places: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1 };
  const next = all[places[event.key] ?? -1];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
