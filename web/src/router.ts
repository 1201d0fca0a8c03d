// Which page is open. One path segment names it, so that relative addresses work under any proxy prefix.
import { computed, signal } from "@preact/signals";

export const ROUTES = ["chat", "playground", "tokens", "explain", "runs", "label", "admin"] as const;
export type Route = (typeof ROUTES)[number] | "login" | "setup" | "invite";

interface Place {
  route: Route;
  query: URLSearchParams;
}

export function placeOf(address: URL): Place {
  const last = address.pathname.split("/").pop() ?? "";
  const known = [...ROUTES, "login", "setup", "invite"] as readonly string[];
  return { route: (known.includes(last) ? last : "chat") as Route, query: address.searchParams };
}

export const place = signal<Place>(placeOf(new URL(globalThis.location?.href ?? "http://localhost/chat")));
export const route = computed(() => place.value.route);

/** The address of a page, relative to the current one: "chat?id=4". */
export function addressOf(to: Route, query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `./${to}${search ? `?${search}` : ""}`;
}

export function go(to: Route, query: Record<string, string> = {}, replace = false): void {
  const address = new URL(addressOf(to, query), location.href);
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  place.value = placeOf(address);
}

/** Follow the browser's own back and forward buttons. */
export function listen(): void {
  addEventListener("popstate", () => {
    place.value = placeOf(new URL(location.href));
  });
}
