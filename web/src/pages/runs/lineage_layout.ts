// Where the boxes of a lineage stand: columns by how far from the data, rows so that lines cross little.
import type { Lineage, LineageNode } from "./api";

export interface Box extends LineageNode {
  column: number;
  row: number;
}

export interface Layout {
  boxes: Box[];
  columns: number;
  rows: number;
  edges: { from: Box; to: Box; role: string }[];
}

export function layoutOf({ nodes, edges }: Lineage): Layout {
  const depth = depths(nodes, edges);
  // Brought files stand right before the first stage that reads them, not all at the far left.
  for (const node of nodes.filter((one) => one.kind === "data")) {
    const readers = edges.filter(([from]) => from === node.id).map(([, to]) => depth.get(to) ?? 1);
    depth.set(node.id, Math.max(0, Math.min(...readers, Number.MAX_SAFE_INTEGER) - 1));
  }
  const columns: LineageNode[][] = [];
  for (const node of nodes) (columns[depth.get(node.id) ?? 0] ??= []).push(node);
  const boxes = new Map<string, Box>();
  let rows = 1;
  Array.from(columns, (column) => column ?? []).forEach((column, at) => {
    const wish = (node: LineageNode): number => {
      const from = edges.filter(([, to]) => to === node.id).flatMap(([parent]) => boxes.get(parent)?.row ?? []);
      return from.length ? from.reduce((sum, row) => sum + row, 0) / from.length : node.kind === "data" ? 99 : 0;
    };
    const sorted = column.map((node) => ({ node, wish: wish(node) })).sort((one, other) => one.wish - other.wish);
    sorted.forEach(({ node }, row) => boxes.set(node.id, { ...node, column: at, row }));
    rows = Math.max(rows, column.length);
  });
  const drawn = edges.flatMap(([from, to, role]) => {
    const [start, end] = [boxes.get(from), boxes.get(to)];
    return start && end ? [{ from: start, to: end, role }] : [];
  });
  return { boxes: [...boxes.values()], columns: columns.length, rows, edges: drawn };
}

/** The longest way from any beginning; a circle (there should be none) ends the walk. */
function depths(nodes: LineageNode[], edges: Lineage["edges"]): Map<string, number> {
  const depth = new Map(nodes.map((node) => [node.id, 0]));
  for (let turn = 0; turn < nodes.length; turn++) {
    let changed = false;
    for (const [from, to] of edges) {
      const wanted = (depth.get(from) ?? 0) + 1;
      if (depth.has(to) && depth.has(from) && wanted > (depth.get(to) ?? 0)) {
        depth.set(to, wanted);
        changed = true;
      }
    }
    if (!changed) break;
  }
  return depth;
}
