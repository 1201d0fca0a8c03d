// Sign in, set up, accept an invitation: three forms of one shape.
import { useState } from "preact/hooks";
import { api, explain, type Me } from "../api";
import { go, place } from "../router";
import { enter, me } from "../session";
import { say } from "./words";

export function Login() {
  return (
    <Door
      title={say("welcomeBack")}
      lead={say("signInLead")}
      action={say("signIn")}
      isNew={false}
      submit={(name, password) => api.login(name, password)}
    />
  );
}

export function Setup() {
  const isFirst = me.value?.access !== "login"; // else the link was used, or the last administrator has left
  return (
    <>
      <WithLink
        title={say("setupTitle")}
        lead={isFirst ? `${say("setupLead")} ${say("takesOver")}` : say("setupAgain")}
        missing={say("setupMissing")}
        submit={api.setup}
      />
      {!isFirst && (
        <section class="door">
          <button type="button" onClick={() => go("login", {}, true)}>
            {say("signIn")}
          </button>
        </section>
      )}
    </>
  );
}

export function Invite() {
  const isFirst = me.value?.access === "open" && !me.value.person; // nobody has an account yet
  return (
    <WithLink
      title={say("inviteTitle")}
      lead={isFirst ? `${say("inviteLead")} ${say("takesOver")}` : say("inviteLead")}
      missing={say("inviteMissing")}
      submit={api.acceptInvite}
    />
  );
}

interface LinkProps {
  title: string;
  lead: string;
  missing: string;
  submit: (token: string, name: string, password: string) => Promise<Me>;
}

function WithLink({ title, lead, missing, submit }: LinkProps) {
  const token = place.value.query.get("token");
  if (!token) {
    return (
      <section class="door">
        <h1>{title}</h1>
        <p>{missing}</p>
      </section>
    );
  }
  return (
    <Door
      title={title}
      lead={lead}
      action={say("createAccount")}
      isNew
      submit={(name, password) => submit(token, name, password)}
    />
  );
}

interface DoorProps {
  title: string;
  lead: string;
  action: string;
  isNew: boolean;
  submit: (name: string, password: string) => Promise<Me>;
}

function Door({ title, lead, action, isNew, submit }: DoorProps) {
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const onSubmit = async (event: SubmitEvent) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    setFailure(null);
    try {
      await enter(await submit(String(fields.get("name")), String(fields.get("password"))));
      go("chat", {}, true);
    } catch (error) {
      setFailure(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="door">
      <h1>{title}</h1>
      <p>{lead}</p>
      <form onSubmit={onSubmit}>
        <label>
          <span>{say("name")}</span>
          <input name="name" autocomplete="username" required maxLength={80} />
        </label>
        <label>
          <span>{say("password")}</span>
          <input
            name="password"
            type="password"
            autocomplete={isNew ? "new-password" : "current-password"}
            required
            {...(isNew ? { minLength: 10 } : {})}
          />
        </label>
        {isNew && <p class="hint">{say("passwordHint")}</p>}
        {failure && (
          <p class="failure" role="alert">
            {failure}
          </p>
        )}
        <button type="submit" class="primary" disabled={busy}>
          {action}
        </button>
      </form>
    </section>
  );
}
