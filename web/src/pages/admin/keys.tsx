// API keys: what programs use. The secret is shown once, when the key is made.
import { useState } from "preact/hooks";
import { publicAddress } from "../../api";
import { CopyButton } from "../../parts/copy";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { useLoaded } from "../../parts/loaded";
import { notify } from "../../parts/notices";
import { day, number } from "../../words";
import { type Key, office } from "./api";
import { sure } from "./confirm";
import { KeyForm } from "./key_form";
import { say } from "./words";
import { useWork } from "./working";

export function Keys() {
  const found = useLoaded(async () => {
    const [keys, people] = await Promise.all([office.keys(), office.people()]);
    return { keys, names: new Map(people.map((one) => [one.id, one.name])) };
  }, []);
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<string | null>(null);
  const keys = [...(found.value?.keys ?? [])].reverse();
  const working = keys.filter((one) => !one.revoked_at);
  const revoked = keys.filter((one) => one.revoked_at);
  const line = (key: Key) => (
    <KeyLine key={key.id} item={key} owner={found.value?.names.get(key.person ?? "")} onChanged={found.reload} />
  );
  return (
    <section class="card box" aria-label={say("keys")}>
      <header class="row between">
        <h2>{say("keys")}</h2>
        <button type="button" class="primary" onClick={() => setMaking(true)}>
          <Icon name="plus" />
          {say("newKey")}
        </button>
      </header>
      <p class="hint">{say("keysMore")}</p>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !working.length && <p class="empty">{say("noKeys")}</p>}
      <ul class="lines" aria-label={say("workingKeys")}>
        {working.map(line)}
      </ul>
      {revoked.length > 0 && (
        <details class="past">
          <summary>{say("revokedKeys", { count: revoked.length })}</summary>
          <ul class="lines">{revoked.map(line)}</ul>
        </details>
      )}
      {isMaking && (
        <KeyForm
          onClose={() => setMaking(false)}
          onMade={(fresh) => {
            setMaking(false);
            setMade(fresh);
            found.reload();
          }}
        />
      )}
      {made && <Secret secret={made} onClose={() => setMade(null)} />}
    </section>
  );
}

function KeyLine({ item, owner, onChanged }: { item: Key; owner: string | undefined; onChanged: () => void }) {
  const [isBusy, work] = useWork();
  const revoke = async () => {
    const question = { title: say("revokeTitle", { name: item.name }), text: say("revokeText"), action: say("revoke") };
    if (!(await sure(question))) return;
    await work(async () => {
      await office.revokeKey(item.id);
      notify(say("revokedNow", { name: item.name }));
      onChanged();
    });
  };
  const used = item.last_used_at ? say("lastUsed", { day: day(item.last_used_at) }) : say("neverUsed");
  return (
    <li class={item.revoked_at ? "line faded" : "line"}>
      <div class="line-text">
        <p class="line-name">
          <bdi>{item.name}</bdi>
          <code class="soft">{item.shown}</code>
        </p>
        <p class="hint">
          {[owner, used, ...limitsOf(item)].filter(Boolean).join(" · ")}
        </p>
        {item.quota_tokens !== null && !item.revoked_at && <Quota item={item} />}
      </div>
      <div class="line-actions">
        {item.revoked_at ? (
          <span class="badge">{say("revokedOn", { day: day(item.revoked_at) })}</span>
        ) : (
          <button
            type="button"
            class="quiet small"
            disabled={isBusy}
            aria-label={say("revokeLabel", { name: item.name })}
            onClick={() => void revoke()}
          >
            {say("revoke")}
          </button>
        )}
      </div>
    </li>
  );
}

function limitsOf(key: Key): string[] {
  const limits = [];
  if (key.requests_per_minute !== null) limits.push(say("perMinute", { count: key.requests_per_minute }));
  limits.push(key.models.length ? say("onlyModels", { models: key.models.join(", ") }) : say("allModels"));
  return limits;
}

function Quota({ item }: { item: Key }) {
  const all = item.quota_tokens ?? 0;
  const left = item.left ?? all;
  const share = all > 0 ? 1 - left / all : 0;
  return (
    <div class="quota">
      <span class="bar" aria-hidden="true">
        <i class={share > 0.9 ? "second" : ""} style={{ width: `${Math.min(100, share * 100)}%` }} />
      </span>
      <span class="hint numbers">
        {say(item.quota_period === "month" ? "quotaMonth" : "quotaTotal", { used: number(all - left), all: number(all) })}
      </span>
    </div>
  );
}

function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  const call = `curl ${publicAddress()}/models -H "Authorization: Bearer ${secret}"`;
  return (
    <Dialog title={say("secretTitle")} close={say("close")} onClose={onClose}>
      <p class="note">{say("secretText")}</p>
      <div class="field-and-button">
        <input
          readOnly
          class="mono"
          aria-label={say("secret")}
          value={secret}
          onFocus={(event) => event.currentTarget.select()}
        />
        <CopyButton class="primary" wordy text={() => secret} label={say("copySecret")} done={say("copied")} />
      </div>
      <p class="hint">{say("secretTry")}</p>
      <pre class="log" tabIndex={0} role="region" aria-label="curl">
        {call}
      </pre>
      <div class="dialog-actions">
        <button type="button" class="plain" onClick={onClose}>
          {say("haveIt")}
        </button>
      </div>
    </Dialog>
  );
}
