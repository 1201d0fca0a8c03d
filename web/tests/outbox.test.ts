import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError } from "../src/api";
import { discard, flush, parcels, put, trouble } from "../src/pages/label/outbox";

const parcel = (submission: string, person = "ada") => ({ task: "7", person, judgement: { submission, seconds: 1 } });

describe("work on its way", () => {
  beforeEach(() => {
    vi.spyOn(console, "warn").mockImplementation(() => {}); // there is no localStorage here
    parcels.value = [];
    trouble.value = null;
  });

  it("leaves only after the server has said that it has it", async () => {
    put(parcel("a"));
    expect(await flush("ada", () => Promise.reject(new TypeError("offline")))).toBe(false);
    expect(parcels.value.map((one) => one.judgement.submission)).toEqual(["a"]);
    expect(trouble.value).not.toBeNull();
    const sent: string[] = [];
    expect(await flush("ada", async (_, judgement) => sent.push(judgement.submission))).toBe(true);
    expect([sent, parcels.value, trouble.value]).toEqual([["a"], [], null]);
  });

  it("is sent oldest first, each once, however often one asks", async () => {
    put(parcel("a"));
    put(parcel("b"));
    put(parcel("a"));
    const sent: string[] = [];
    const send = async (_: string, judgement: { submission: string }) => sent.push(judgement.submission);
    await Promise.all([flush("ada", send), flush("ada", send)]);
    expect(sent).toEqual(["b", "a"]);
  });

  it("of somebody else stays where it is", async () => {
    put(parcel("a", "grace"));
    const send = vi.fn();
    expect(await flush("ada", send)).toBe(true);
    expect(send).not.toHaveBeenCalled();
    expect(parcels.value).toHaveLength(1);
  });

  it("that is refused for good is kept with the reason, and the next goes on", async () => {
    put(parcel("a"));
    put(parcel("b"));
    const send = async (_: string, judgement: { submission: string }) => {
      if (judgement.submission === "a") throw new ApiError("the lease has ended", 409);
    };
    expect(await flush("ada", send)).toBe(true);
    expect(parcels.value.map((one) => one.refusal)).toEqual(["The lease has ended."]);
    discard("a");
    expect(parcels.value).toEqual([]);
  });

  it("waits where the server has trouble or wants a pause", async () => {
    for (const status of [500, 503, 429, 401]) {
      put(parcel("a"));
      expect(await flush("ada", () => Promise.reject(new ApiError("later", status)))).toBe(false);
      expect(parcels.value[0]?.refusal).toBeNull();
    }
  });
});
