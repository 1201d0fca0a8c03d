// An order with ties: `order` holds places of the shown answers, best first; `ties[n]` joins n to the one above it.

export interface Ranking {
  order: number[];
  ties: boolean[];
}

export const asShown = (count: number): Ranking => ({
  order: Array.from({ length: count }, (_, place) => place),
  ties: Array.from({ length: count }, () => false),
});

export const isAsShown = ({ order, ties }: Ranking): boolean =>
  order.every((answer, place) => answer === place) && !ties.some(Boolean);

/** Take the answer at `from` to the place `to`. What was tied around it stays tied; the moved one stands alone. */
export function moveTo({ order, ties }: Ranking, from: number, to: number): Ranking {
  const target = Math.max(0, Math.min(order.length - 1, to));
  const moved = order[from];
  if (moved === undefined || target === from) return { order, ties };
  const left = order.filter((_, place) => place !== from);
  // Leaving a group: the one below keeps its tie only if it was tied to what the moved one was tied to.
  const leftTies = ties
    .map((tied, place) => (place === from + 1 ? tied && (ties[from] ?? false) : tied))
    .filter((_, place) => place !== from);
  const nextOrder = [...left.slice(0, target), moved, ...left.slice(target)];
  const nextTies = [...leftTies.slice(0, target), false, ...leftTies.slice(target)];
  nextTies[0] = false;
  // Landing inside a group would cut it; it joins the group instead.
  if (target > 0 && nextTies[target + 1]) nextTies[target] = true;
  return { order: nextOrder, ties: nextTies };
}

/** Join the answer to the one above it, or part them. */
export function toggleTie({ order, ties }: Ranking, place: number): Ranking {
  if (place <= 0 || place >= order.length) return { order, ties };
  return { order, ties: ties.map((tied, at) => (at === place ? !tied : tied)) };
}

/** 1 for the best; tied answers share a number and the next one counts on from there (1, 1, 3 reads as 1, 1, 2). */
export function ranksOf({ order, ties }: Ranking): number[] {
  const ranks = new Array<number>(order.length).fill(0);
  let rank = 0;
  order.forEach((answer, place) => {
    if (place === 0 || !ties[place]) rank += 1;
    ranks[answer] = rank;
  });
  return ranks;
}

/** The rank of each place of the list, for the numbers beside the cards. */
export function numbersOf(ranking: Ranking): number[] {
  const ranks = ranksOf(ranking);
  return ranking.order.map((answer) => ranks[answer] ?? 0);
}

/** A draft that the server kept, if it fits the task; else the order shown. */
export function rankingOf(draft: Partial<Ranking> | null, count: number): Ranking {
  const { order, ties } = draft ?? {};
  const isWhole =
    Array.isArray(order) && order.length === count && new Set(order).size === count && order.every((at) => at >= 0 && at < count);
  if (!isWhole) return asShown(count);
  return { order, ties: order.map((_, place) => place > 0 && Boolean(ties?.[place])) };
}
