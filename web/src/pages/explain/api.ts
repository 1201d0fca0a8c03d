// A look inside: what the explain routes take and give.
import { ask, own, part, send } from "../../api";

export interface Piece {
  id: number;
  bytes: string;
  text: string;
  start?: number | null;
  end?: number | null;
  control?: boolean;
}

export interface Opened {
  id: string;
  model: string;
  layers: number;
  heads: number;
  kv_heads: number;
  length: number;
  width: number;
  positions: string;
  windows: number[];
  tokens: Piece[];
}

export interface Said {
  role: string;
  content: string;
}

export type Subject = { model: string; text: string } | { model: string; messages: Said[]; answer?: string };

export interface Look {
  scale: number;
  query: number[];
  keys: number[][];
  dot: number[];
  scaled: number[];
  masked: boolean[];
  weights: number[];
  contribution: number[];
}

export interface Candidate {
  id: number;
  text: string;
  p: number;
  bytes?: string;
  logit?: number;
}

export interface Spread {
  entropy: number;
  top: Candidate[];
  rest?: number;
}

export interface Lens {
  layers: { layer: number; positions: Candidate[][] }[];
}

export interface Attribution {
  method: "occlusion" | "gradient";
  target: { id: number; text: string };
  position: number;
  scores: number[];
  logp: number;
}

export interface Neighbour {
  id: number;
  text: string;
  bytes: string;
  similarity: number;
}

export interface Positions {
  kind: "learned" | "rotary" | "none";
  length: number;
  similarity: number[][];
  by_distance: number[];
}

const at = (id: string, rest: string): URL => own(`explain/${part(id)}/${rest}`);

async function bytes(address: URL): Promise<{ buffer: ArrayBuffer; headers: Headers }> {
  const response = await send(address, "GET");
  return { buffer: await response.arrayBuffer(), headers: response.headers };
}

export const inside = {
  open: (subject: Subject, signal?: AbortSignal) => ask<Opened>(own("explain/open"), "POST", subject, signal),
  /** uint8 [heads, T, T]; 255 is a weight of 1. */
  attention: async (id: string, layer: number) => new Uint8Array((await bytes(at(id, `attention/${layer}`))).buffer),
  position: (id: string, layer: number, head: number, token: number) =>
    ask<Look>(at(id, `position/${layer}/${head}/${token}`)),
  lens: (id: string, k = 5) => ask<Lens>(at(id, `lens?k=${k}`)),
  next: (id: string, position: number, temperature: number, k = 20, signal?: AbortSignal) =>
    ask<Spread>(at(id, `next?k=${k}&temperature=${temperature}&position=${position}`), "GET", undefined, signal),
  attribution: (id: string, request: { method: "occlusion" | "gradient"; target?: number; position?: number }) =>
    ask<Attribution>(at(id, "attribution"), "POST", request),
  ablation: (id: string, off: [number, number][], k = 12, signal?: AbortSignal) =>
    ask<{ on: Spread; off: Spread; kl: number }>(at(id, "ablation"), "POST", { off, k }, signal),
  neighbours: (model: string, token: number, k = 12) =>
    ask<{ token: Piece; neighbours: Neighbour[] }>(at(model, `neighbours/${token}?k=${k}`)),
  map: async (model: string) => {
    const { buffer, headers } = await bytes(at(model, "map"));
    return { points: floats(buffer), explained: (headers.get("x-explained") ?? "").split(",").map(Number) };
  },
  names: async (model: string, ids: number[]) =>
    (await ask<{ tokens: Piece[] }>(at(model, `tokens?ids=${ids.join(",")}`))).tokens,
  positions: (model: string) => ask<Positions>(at(model, "positions")),
};

/** Little-endian on the wire, whatever the machine. */
export function floats(buffer: ArrayBuffer): Float32Array {
  const view = new DataView(buffer);
  const read = new Float32Array(buffer.byteLength / 4);
  for (let place = 0; place < read.length; place++) read[place] = view.getFloat32(place * 4, true);
  return read;
}
