// Daily caps as fields: empty takes the server's own, a number is a number, or there is none.
import type { Role } from "../../api";
import type { Settings } from "./api";

export const ROLES: Role[] = ["chatter", "labeler", "admin"];

export interface CapField {
  number: string;
  isUnlimited: boolean;
}

export function capFields(caps: Settings["daily_caps"]): Record<Role, CapField> {
  const field = (role: Role): CapField => {
    const cap = caps[role];
    return { number: typeof cap === "number" ? String(cap) : "", isUnlimited: cap === null };
  };
  return { chatter: field("chatter"), labeler: field("labeler"), admin: field("admin") };
}

/** What to send; the server refuses what makes no sense, and says so. */
export function capsOf(fields: Record<Role, CapField>): Settings["daily_caps"] {
  const caps: Settings["daily_caps"] = {};
  for (const role of ROLES) {
    const { number, isUnlimited } = fields[role];
    if (isUnlimited) caps[role] = null;
    else if (number.trim() !== "") caps[role] = Number(number);
  }
  return caps;
}
