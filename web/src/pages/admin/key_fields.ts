// From the fields of a form to what the server is asked for.
import type { NewKey } from "./api";

/** What a form of a key says; empty fields are no limits. */
export function keyOf(fields: FormData): NewKey {
  const key: NewKey = { name: String(fields.get("name") ?? "").trim() };
  const rate = String(fields.get("rate") ?? "").trim();
  const quota = String(fields.get("quota") ?? "").trim();
  if (rate) key.requests_per_minute = Number(rate);
  if (quota) {
    key.quota_tokens = Number(quota);
    key.quota_period = fields.get("period") === "month" ? "month" : "total";
  }
  const chosen = fields.getAll("model").map(String);
  if (chosen.length) key.models = chosen;
  return key;
}
