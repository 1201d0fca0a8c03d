// A look inside: what the explain routes take and give.
import { type Answer, call, fetched, type Given } from "../../http";

export type Opened = Answer<"post", "/api/v1/explain/open">;
export type Piece = Answer<"get", "/api/v1/explain/{model}/tokens">["tokens"][number];
type Opening = Given<"post", "/api/v1/explain/open">;
/** A text, or a conversation and the answer to it. */
export type Subject = Pick<Opening, "model"> & ({ text: string } | { messages: Said[]; answer?: string });

export interface Said {
  role: string;
  content: string;
}

export type Look = Answer<"get", "/api/v1/explain/{opened}/position/{layer}/{head}/{token}">;
export type Lens = Answer<"get", "/api/v1/explain/{opened}/lens">;
export type Spread = Answer<"post", "/api/v1/explain/{opened}/ablation">["on"];
export type Attribution = Answer<"post", "/api/v1/explain/{opened}/attribution">;
type Method = Attribution["method"];

/** A token that may come next, as the lens and as the model itself tell it. */
export interface Candidate {
  id: number;
  text: string;
  p: number;
}

export const inside = {
  open: (body: Subject, signal: AbortSignal) => call("post", "/api/v1/explain/open", { body: { ...body }, signal }),
  /** uint8 [heads, T, T]; 255 is a weight of 1. */
  attention: async (opened: string, layer: number) => {
    const response = await fetched("/api/v1/explain/{opened}/attention/{layer}", { path: { opened, layer } });
    return new Uint8Array(await response.arrayBuffer());
  },
  position: (opened: string, layer: number, head: number, token: number) =>
    call("get", "/api/v1/explain/{opened}/position/{layer}/{head}/{token}", { path: { opened, layer, head, token } }),
  lens: (opened: string, k = 5) => call("get", "/api/v1/explain/{opened}/lens", { path: { opened }, query: { k } }),
  next: (opened: string, position: number, temperature: number, k = 20) =>
    call("get", "/api/v1/explain/{opened}/next", { path: { opened }, query: { k, temperature, position } }),
  attribution: (opened: string, body: { method: Method; target?: number; position?: number }) =>
    call("post", "/api/v1/explain/{opened}/attribution", { path: { opened }, body }),
  ablation: (opened: string, off: [number, number][], k: number, signal: AbortSignal) =>
    call("post", "/api/v1/explain/{opened}/ablation", { path: { opened }, body: { off, k }, signal }),
  neighbours: (model: string, token: number) =>
    call("get", "/api/v1/explain/{model}/neighbours/{token}", { path: { model, token }, query: { k: 12 } }),
  map: async (model: string) => {
    const response = await fetched("/api/v1/explain/{model}/map", { path: { model } });
    const explained = (response.headers.get("x-explained") ?? "").split(",").map(Number);
    return { points: floats(await response.arrayBuffer()), explained };
  },
  names: async (model: string, ids: number[]) =>
    (await call("get", "/api/v1/explain/{model}/tokens", { path: { model }, query: { ids: ids.join(",") } })).tokens,
  positions: (model: string) => call("get", "/api/v1/explain/{model}/positions", { path: { model } }),
};

/** Little-endian on the wire, whatever the machine. */
export function floats(buffer: ArrayBuffer): Float32Array {
  const view = new DataView(buffer);
  const read = new Float32Array(buffer.byteLength / 4);
  for (let place = 0; place < read.length; place++) read[place] = view.getFloat32(place * 4, true);
  return read;
}
