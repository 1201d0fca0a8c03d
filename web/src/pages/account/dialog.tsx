// One's own account: password, all data as a file, what has learned from it, and the way out.
import { useState } from "preact/hooks";
import { addressOf, api, call, explain } from "../../api";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { useLoaded } from "../../parts/loaded";
import { notify } from "../../parts/notices";
import { enter, me } from "../../session";
import { say } from "./words";
import "../../parts/panels.css";

export function AccountDialog({ onClose }: { onClose: () => void }) {
  const person = me.value?.person;
  const learned = useLoaded(() => call("get", "/api/v1/me/runs"), []);
  if (!person) return null;
  const runs = learned.value?.runs;
  return (
    <Dialog title={say("account")} close={say("close")} onClose={onClose}>
      <p>
        <strong>{person.name}</strong> <span class="badge">{say(`role_${person.role}`)}</span>
      </p>
      <section class="form" aria-label={say("data")}>
        <h3>{say("data")}</h3>
        <p class="hint">{say("dataLead")}</p>
        <a class="plain" href={addressOf("/api/v1/me/export")} download="">
          <Icon name="download" />
          {say("download")}
        </a>
        {learned.failure && <p class="failure">{learned.failure}</p>}
        {runs && <p class="hint">{runs.length ? say("trained", { runs: runs.join(", ") }) : say("trainedNone")}</p>}
      </section>
      <PasswordForm />
      <DeleteForm onClose={onClose} />
    </Dialog>
  );
}

/** Sends a form; what the server refuses stands in the form, and what was typed stays. */
function useSending(send: (fields: FormData) => Promise<void>): [string | null, (event: SubmitEvent) => void] {
  const [failure, setFailure] = useState<string | null>(null);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    setFailure(null);
    send(new FormData(form))
      .then(() => form.reset())
      .catch((error: unknown) => setFailure(explain(error)));
  };
  return [failure, onSubmit];
}

function PasswordForm() {
  const [failure, onSubmit] = useSending(async (fields) => {
    const body = { old: String(fields.get("old")), new: String(fields.get("new")) };
    me.value = await call("post", "/api/v1/me/password", { body });
    notify(say("changed"));
  });
  return (
    <form class="form" aria-label={say("password")} onSubmit={onSubmit}>
      <h3>{say("password")}</h3>
      <label>
        <span>{say("oldPassword")}</span>
        <input name="old" type="password" autocomplete="current-password" required />
      </label>
      <label>
        <span>{say("newPassword")}</span>
        <input name="new" type="password" autocomplete="new-password" minLength={10} required />
      </label>
      {failure && (
        <p class="failure" role="alert">
          {failure}
        </p>
      )}
      <button type="submit" class="plain">
        {say("change")}
      </button>
    </form>
  );
}

function DeleteForm({ onClose }: { onClose: () => void }) {
  const [failure, onSubmit] = useSending(async (fields) => {
    const gone = await call("delete", "/api/v1/me", { body: { password: String(fields.get("password")) } });
    onClose();
    notify(say("removed", { chats: gone.chats, feedback: gone.feedback }));
    await enter(await api.me());
  });
  return (
    <details>
      <summary>{say("remove")}</summary>
      <form class="form" aria-label={say("remove")} onSubmit={onSubmit}>
        <p class="note">{say("removeLead")}</p>
        <label>
          <span>{say("yourPassword")}</span>
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {failure && (
          <p class="failure" role="alert">
            {failure}
          </p>
        )}
        <button type="submit" class="primary danger">
          {say("removeNow")}
        </button>
      </form>
    </details>
  );
}
