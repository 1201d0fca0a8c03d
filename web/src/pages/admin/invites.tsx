// Links that make accounts: made here, shown once, withdrawn here.
import { useState } from "preact/hooks";
import type { Role } from "../../api";
import { CopyButton } from "../../parts/copy";
import { useLoaded } from "../../parts/loaded";
import { notify } from "../../parts/notices";
import { day } from "../../words";
import { type Invite, office } from "./api";
import { ROLES } from "./caps";
import { sure } from "./confirm";
import { stageOf } from "./invite_stage";
import { moment, say } from "./words";
import { useWork } from "./working";

const HOURS = [24, 72, 168, 720];

export function Invites({ isFirst }: { isFirst: boolean }) {
  const found = useLoaded(() => office.invites(), []);
  const [link, setLink] = useState<{ address: string; invite: Invite } | null>(null);
  const all = [...(found.value ?? [])].reverse();
  const open = all.filter((one) => stageOf(one) === "open");
  const past = all.filter((one) => stageOf(one) !== "open");
  const withdraw = async (invite: Invite) => {
    const question = { title: say("withdrawTitle"), text: say("withdrawText"), action: say("withdraw") };
    if (!(await sure(question))) return;
    await office.withdraw(invite.id);
    notify(say("withdrawn_done"));
    if (link?.invite.id === invite.id) setLink(null);
    found.reload();
  };
  return (
    <section class="card box" aria-label={say("invites")}>
      <h2>{say("invites")}</h2>
      <p class="hint">{say("invitesMore")}</p>
      <InviteForm
        isFirst={isFirst}
        onMade={(made) => {
          setLink(made);
          found.reload();
        }}
      />
      {link && <FreshLink {...link} />}
      {found.failure && <p class="failure">{found.failure}</p>}
      {open.length > 0 && (
        <ul class="lines" aria-label={say("openInvites")}>
          {open.map((one) => (
            <InviteLine key={one.id} invite={one} onWithdraw={withdraw} />
          ))}
        </ul>
      )}
      {past.length > 0 && (
        <details class="past">
          <summary>{say("pastInvites", { count: past.length })}</summary>
          <ul class="lines">
            {past.map((one) => (
              <InviteLine key={one.id} invite={one} />
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function InviteForm({ isFirst, onMade }: { isFirst: boolean; onMade: (made: { address: string; invite: Invite }) => void }) {
  const [isBusy, work] = useWork();
  const [role, setRole] = useState<Role>("chatter");
  const [hours, setHours] = useState(72);
  const submit = (form: HTMLFormElement) =>
    work(async () => {
      const fields = new FormData(form);
      const made = await office.invite({
        role: isFirst ? "admin" : role,
        hours,
        note: String(fields.get("note")).trim(),
      });
      for (const field of form.querySelectorAll("input")) field.value = "";
      onMade({ address: new URL(made.path, document.baseURI).toString(), invite: made.invite });
    });
  return (
    <form
      class="form-line invite-form"
      onSubmit={(event) => {
        event.preventDefault();
        void submit(event.currentTarget);
      }}
    >
      <label>
        <span>{say("role")}</span>
        <select value={isFirst ? "admin" : role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
          {(isFirst ? (["admin"] as const) : ROLES).map((one) => (
            <option key={one} value={one}>
              {say(one)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>{say("validFor")}</span>
        <select value={String(hours)} onChange={(event) => setHours(Number(event.currentTarget.value))}>
          {HOURS.map((one) => (
            <option key={one} value={String(one)}>
              {one === 24 ? say("oneDay") : say("days", { count: one / 24 })}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>{say("note")}</span>
        <input name="note" maxLength={200} placeholder={say("notePlaceholder")} autocomplete="off" />
      </label>
      <button type="submit" class="primary" disabled={isBusy}>
        {say("makeLink")}
      </button>
    </form>
  );
}

function FreshLink({ address, invite }: { address: string; invite: Invite }) {
  return (
    <div class="secret" role="status">
      <p>{say("linkReady", { role: say(invite.role), until: moment(invite.expires_at) })}</p>
      <div class="field-and-button">
        <input readOnly aria-label={say("link")} value={address} onFocus={(event) => event.currentTarget.select()} />
        <CopyButton class="primary" wordy text={() => address} label={say("copyLink")} done={say("copied")} />
      </div>
    </div>
  );
}

function InviteLine({ invite, onWithdraw }: { invite: Invite; onWithdraw?: (invite: Invite) => Promise<void> }) {
  const [isBusy, work] = useWork();
  const stage = stageOf(invite);
  const times = { open: invite.expires_at, expired: invite.expires_at, used: invite.used_at, withdrawn: invite.revoked_at };
  return (
    <li class="line">
      <div class="line-text">
        <p class="line-name">
          {say(invite.role)}
          {invite.note && <bdi class="soft">{invite.note}</bdi>}
        </p>
        <p class="hint">{say(`${stage}At`, { time: moment(times[stage] ?? invite.expires_at) })}</p>
      </div>
      <div class="line-actions">
        {onWithdraw ? (
          <button
            type="button"
            class="quiet small"
            disabled={isBusy}
            aria-label={say("withdrawLabel", { role: say(invite.role), note: invite.note || day(invite.created_at) })}
            onClick={() => void work(() => onWithdraw(invite))}
          >
            {say("withdraw")}
          </button>
        ) : (
          stage !== "open" && <span class={stage === "used" ? "badge good" : "badge"}>{say(stage)}</span>
        )}
      </div>
    </li>
  );
}
