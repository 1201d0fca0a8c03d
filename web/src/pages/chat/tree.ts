// A chat is a tree of messages. What is on screen is one path through it; `picks` says which child each parent shows.
import type { Message } from "../../api";

type Link = Pick<Message, "id" | "parent">;
export type Picks = Readonly<Record<string, string>>;

const ROOT = "";
const keyOf = (parent: string | null): string => parent ?? ROOT;

/** Children of each parent, in the order in which they were made. */
export function familyOf<T extends Link>(messages: readonly T[]): Map<string, T[]> {
  const family = new Map<string, T[]>();
  for (const message of messages) {
    const key = keyOf(message.parent);
    const children = family.get(key);
    if (children) children.push(message);
    else family.set(key, [message]);
  }
  return family;
}

/** The path from the first message down; where nothing was picked, the newest child. */
export function pathOf<T extends Link>(messages: readonly T[], picks: Picks): T[] {
  const family = familyOf(messages);
  const path: T[] = [];
  const seen = new Set<string>(); // a damaged import may hold a circle
  let key = ROOT;
  for (;;) {
    const children: T[] = family.get(key) ?? [];
    const next = children.find((child) => child.id === picks[key]) ?? children.at(-1);
    if (!next || seen.has(next.id)) return path;
    seen.add(next.id);
    path.push(next);
    key = next.id;
  }
}

/** All versions of a message, itself included, and its place among them. */
export function versionsOf<T extends Link>(messages: readonly T[], message: Link): { all: T[]; place: number } {
  const all = messages.filter((other) => other.parent === message.parent);
  return { all, place: all.findIndex((other) => other.id === message.id) };
}

export function pick(picks: Picks, message: Link): Picks {
  return { ...picks, [keyOf(message.parent)]: message.id };
}

/** The picks that make the path end in `tip`, or pass through it. */
export function picksTo(messages: readonly Link[], tip: string | null): Picks {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const picks: Record<string, string> = {};
  let message = tip === null ? undefined : byId.get(tip);
  for (let steps = messages.length; message && steps > 0; steps--) {
    picks[keyOf(message.parent)] = message.id;
    message = message.parent === null ? undefined : byId.get(message.parent);
  }
  return picks;
}

export const MOST_DRAFTS = 4;

/** The answers to one question that can be judged against each other: all by models, 2 to 4 of them; else none. */
export function draftsOf<T extends Link & Pick<Message, "role" | "finish_reason">>(messages: readonly T[], message: T): T[] {
  const { all } = versionsOf(messages, message);
  const written = all.filter((one) => one.role === "assistant" && one.finish_reason !== "edited");
  return written.length >= 2 && written.length <= MOST_DRAFTS ? written : [];
}
