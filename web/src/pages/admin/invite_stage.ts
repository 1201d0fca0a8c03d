// What has become of an invitation.
import type { Invite } from "./api";

export type Stage = "open" | "used" | "withdrawn" | "expired";

export function stageOf(invite: Invite, now = Date.now()): Stage {
  if (invite.used_at) return "used";
  if (invite.revoked_at) return "withdrawn";
  return Date.parse(invite.expires_at) <= now ? "expired" : "open";
}
