// What can change while the server runs: how long chats are kept, how much one person may judge, the guidelines.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Role } from "../../api";
import { useLoaded } from "../../parts/loaded";
import { Markdown } from "../../parts/markdown";
import { notify } from "../../parts/notices";
import { language } from "../../preferences";
import { office, type Settings } from "./api";
import { type CapField, capFields, capsOf, ROLES } from "./caps";
import { sure } from "./confirm";
import { Segments } from "./usage";
import { say } from "./words";
import { useWork } from "./working";
import "../../parts/markdown.css";

export function SettingsForm() {
  const found = useLoaded(async () => {
    const [settings, guidelines] = await Promise.all([office.settings(), office.guidelines(language.value)]);
    return { settings, guidelines };
  }, [language.value]);
  if (found.failure) return <p class="failure">{found.failure}</p>;
  if (!found.value) return <p class="hint">{say("loading")}</p>;
  const { settings, guidelines } = found.value;
  return (
    <>
      <div class="pair">
        <Retention settings={settings} onSaved={found.reload} />
        <Caps key={JSON.stringify(settings.daily_caps)} what="daily_caps" settings={settings} onSaved={found.reload} />
      </div>
      <TrainingCaps settings={settings} onSaved={found.reload} />
      <Guidelines settings={settings} shown={guidelines} onSaved={found.reload} />
    </>
  );
}

interface Props {
  settings: Settings;
  onSaved: () => void;
}

interface LimitProps {
  /** What is limited. */
  label: string;
  hint: string;
  without: string;
  within: string;
  unit: string;
  /** Null: no limit. */
  given: number | null;
  usual: number;
  most?: number;
  save: (limit: number | null) => Promise<boolean>;
  onSaved: () => void;
}

/** One number, or none: saved at once, unless `save` says that it was not wanted after all. */
function Limit({ label, hint, without, within, unit, given, usual, most, save, onSaved }: LimitProps) {
  const [isOff, setOff] = useState(given === null);
  const [amount, setAmount] = useState(String(given ?? usual));
  const [isBusy, work] = useWork();
  const submit = () =>
    work(async () => {
      if (!(await save(isOff ? null : Number(amount)))) return;
      notify(say("saved"));
      onSaved();
    });
  return (
    <section class="card box" aria-label={label}>
      <h2>{label}</h2>
      <p class="hint">{hint}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label class="check">
          <input type="radio" name={label} checked={isOff} onChange={() => setOff(true)} />
          <span class="plain-text">{without}</span>
        </label>
        <label class="check">
          <input type="radio" name={label} checked={!isOff} onChange={() => setOff(false)} />
          <span class="plain-text">{within}</span>
        </label>
        {!isOff && (
          <label>
            <span>{unit}</span>
            <input type="number" min={1} max={most} step={1} required value={amount} onInput={(event) => setAmount(event.currentTarget.value)} />
          </label>
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy}>
            {say("save")}
          </button>
        </div>
      </form>
    </section>
  );
}

function Retention({ settings, onSaved }: Props) {
  const save = async (days: number | null) => {
    const isShorter = days !== null && days < (settings.retention_days ?? Infinity);
    const question = { title: say("retentionTitle", { days: days ?? 0 }), text: say("retentionText"), action: say("save") };
    if (isShorter && !(await sure(question))) return false;
    await office.changeSettings({ retention_days: days });
    return true;
  };
  return (
    <Limit
      label={say("retention")}
      hint={say("retentionMore")}
      without={say("keepAll")}
      within={say("deleteAfter")}
      unit={say("retentionDays")}
      given={settings.retention_days}
      usual={90}
      save={save}
      onSaved={onSaved}
    />
  );
}

/** What an empty field means: the server's own cap, or none. */
function usually(cap: number | undefined): string {
  return cap === undefined ? say("serverDefaultNone") : say("serverDefault", { cap });
}

function Caps({ what, settings, onSaved }: Props & { what: "daily_caps" | "training_caps" }) {
  const [fields, setFields] = useState(capFields(settings[what]));
  const [isBusy, work] = useWork();
  const set = (role: Role, change: Partial<CapField>) => setFields({ ...fields, [role]: { ...fields[role], ...change } });
  const submit = () =>
    work(async () => {
      await office.changeSettings({ [what]: capsOf(fields) });
      notify(say("saved"));
      onSaved();
    });
  return (
    <section class="card box" aria-label={say(what)}>
      <h2>{say(what)}</h2>
      <p class="hint">{say(`${what}More`)}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {ROLES.map((role) => (
          <div key={role} class="cap">
            <label>
              <span>{say(role)}</span>
              <input
                type="number"
                min={1}
                step={1}
                value={fields[role].number}
                disabled={fields[role].isUnlimited}
                placeholder={fields[role].isUnlimited ? say("noLimit") : usually(settings.defaults[what][role])}
                onInput={(event) => set(role, { number: event.currentTarget.value })}
              />
            </label>
            <label class="check">
              <input
                type="checkbox"
                checked={fields[role].isUnlimited}
                aria-label={say("noLimitFor", { role: say(role) })}
                onChange={(event) => set(role, { isUnlimited: event.currentTarget.checked })}
              />
              <span class="plain-text">{say("noLimit")}</span>
            </label>
          </div>
        ))}
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy}>
            {say("save")}
          </button>
        </div>
      </form>
    </section>
  );
}

/** How much of one training set may come from one person: in rows, and as a share. */
function TrainingCaps({ settings, onSaved }: Props) {
  return (
    <div class="pair">
      <Caps key={JSON.stringify(settings.training_caps)} what="training_caps" settings={settings} onSaved={onSaved} />
      <Share key={settings.training_share} settings={settings} onSaved={onSaved} />
    </div>
  );
}

function Share({ settings, onSaved }: Props) {
  const share = settings.training_share;
  return (
    <Limit
      label={say("share")}
      hint={say("shareMore")}
      without={say("noLimit")}
      within={say("shareAtMost")}
      unit={say("sharePercent")}
      given={share === null ? null : Math.round(share * 100)}
      usual={25}
      most={100}
      save={async (percents) => {
        await office.changeSettings({ training_share: percents === null ? null : percents / 100 });
        return true;
      }}
      onSaved={onSaved}
    />
  );
}

function Guidelines({ settings, shown, onSaved }: Props & { shown: string }) {
  const [text, setText] = useState(shown);
  const before = useRef(shown);
  useLayoutEffect(() => {
    const old = before.current;
    before.current = shown;
    setText((now) => (now === old ? shown : now)); // what is being written stays when the language changes
  }, [shown]);
  const [view, setView] = useState<"edit" | "preview">("edit");
  const [isBusy, work] = useWork();
  const put = (guidelines: string) =>
    work(async () => {
      await office.changeSettings({ guidelines });
      notify(say("saved"));
      onSaved();
    });
  const reset = async () => {
    const question = { title: say("usualTitle"), text: say("usualText"), action: say("useUsual") };
    if (!(await sure(question))) return;
    setText(shown);
    await put("");
  };
  return (
    <section class="card box" aria-label={say("guidelines")}>
      <header class="row between">
        <h2>{say("guidelines")}</h2>
        <Segments label={say("guidelines")} items={["edit", "preview"] as const} chosen={view} name={(one) => say(one)} onChoose={setView} />
      </header>
      <p class="hint">{say("guidelinesMore")}</p>
      {view === "edit" ? (
        <textarea
          rows={14}
          class="mono"
          maxLength={50_000}
          aria-label={say("guidelines")}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      ) : (
        <Markdown text={text} copy={say("copy")} copied={say("copied")} />
      )}
      <div class="row">
        <button type="button" class="primary" disabled={isBusy || text === shown} onClick={() => void put(text)}>
          {say("save")}
        </button>
        {settings.guidelines && (
          <button type="button" class="plain" disabled={isBusy} onClick={() => void reset()}>
            {say("useUsual")}
          </button>
        )}
      </div>
    </section>
  );
}
