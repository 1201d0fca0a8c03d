// One account: its data to take along, a new password, disabling, deleting.
import { useState } from "preact/hooks";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { useLoaded } from "../../parts/loaded";
import { me } from "../../session";
import { day } from "../../words";
import { type Gone, office, type Person, save } from "./api";
import { sure } from "./confirm";
import { say } from "./words";
import { useToldWork } from "./working";

interface Props {
  person: Person;
  onChanged: () => void;
  onClose: () => void;
}

export function PersonDialog({ person, onChanged, onClose }: Props) {
  const [gone, setGone] = useState<Gone | null>(null);
  const end = () => {
    if (gone) onChanged();
    onClose();
  };
  return (
    <Dialog title={person.name} close={say("close")} onClose={end}>
      {gone ? <Farewell gone={gone} onClose={end} /> : <Account person={person} onChanged={onChanged} onGone={setGone} />}
    </Dialog>
  );
}

function Account({ person, onChanged, onGone }: Omit<Props, "onClose"> & { onGone: (gone: Gone) => void }) {
  const runs = useLoaded(() => office.runsOf(person.id), [person.id]);
  const [isBusy, outcome, work] = useToldWork();
  const isOff = person.disabled_at !== null;
  const toggle = () =>
    work(async () => {
      await office.changePerson(person.id, { disabled: !isOff });
      onChanged();
      return say(isOff ? "enabledNow" : "disabledNow", { name: person.name });
    });
  const remove = async () => {
    const learned = runs.value?.length ? ` ${say("deleteLearned", { runs: runs.value.join(", ") })}` : "";
    const question = {
      title: say("deleteTitle", { name: person.name }),
      text: say("deleteText") + learned,
      action: say("deleteAccount"),
      typed: person.name,
    };
    if (!(await sure(question))) return;
    await work(async () => {
      onGone(await office.deletePerson(person.id));
      return null;
    });
  };
  return (
    <>
      <dl class="facts">
        <dt>{say("role")}</dt>
        <dd>{say(person.role)}</dd>
        <dt>{say("joined")}</dt>
        <dd>{day(person.created_at)}</dd>
        {person.disabled_at && (
          <>
            <dt>{say("disabled")}</dt>
            <dd>{day(person.disabled_at)}</dd>
          </>
        )}
        <dt>{say("learnedFrom")}</dt>
        <dd>{runs.failure ?? (runs.value ? runs.value.join(", ") || say("noRun") : "…")}</dd>
      </dl>
      <section class="form">
        <h3>{say("personalData")}</h3>
        <p class="hint">{say("personalDataMore")}</p>
        <div class="row">
          <button
            type="button"
            class="plain"
            disabled={isBusy}
            onClick={() => void work(async () => (await save(office.exportPerson(person.id)), null))}
          >
            <Icon name="download" />
            {say("exportData")}
          </button>
        </div>
      </section>
      <NewPassword person={person} isBusy={isBusy} work={work} />
      <EndAccount isMe={me.value?.person?.id === person.id} isOff={isOff} isBusy={isBusy} onToggle={toggle} onDelete={remove} />
      {outcome && (
        <p class={outcome.isFailure ? "failure" : "note"} role={outcome.isFailure ? "alert" : "status"}>
          {outcome.text}
        </p>
      )}
    </>
  );
}

interface EndProps {
  isMe: boolean;
  isOff: boolean;
  isBusy: boolean;
  onToggle: () => Promise<void>;
  onDelete: () => Promise<void>;
}

function EndAccount({ isMe, isOff, isBusy, onToggle, onDelete }: EndProps) {
  return (
    <section class="form grave">
      <h3>{say("endAccount")}</h3>
      <p class="hint">{say(isMe ? "notYourself" : "disableMore")}</p>
      <div class="row">
        <button type="button" class="plain" disabled={isBusy || isMe} onClick={() => void onToggle()}>
          {say(isOff ? "enable" : "disable")}
        </button>
        <button type="button" class="plain warn" disabled={isBusy || isMe} onClick={() => void onDelete()}>
          <Icon name="trash" />
          {say("deleteAccount")}
        </button>
      </div>
    </section>
  );
}

interface PasswordProps {
  person: Person;
  isBusy: boolean;
  work: (work: () => Promise<string | null>) => Promise<void>;
}

function NewPassword({ person, isBusy, work }: PasswordProps) {
  const submit = (form: HTMLFormElement) =>
    work(async () => {
      await office.setPassword(person.id, String(new FormData(form).get("password")));
      form.reset();
      return say("passwordSet", { name: person.name });
    });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void submit(event.currentTarget);
      }}
    >
      <h3>{say("newPassword")}</h3>
      <p class="hint">{say("newPasswordMore")}</p>
      <div class="field-and-button">
        <input
          name="password"
          type="password"
          aria-label={say("newPassword")}
          autocomplete="new-password"
          required
          minLength={10}
        />
        <button type="submit" class="plain" disabled={isBusy}>
          {say("setPassword")}
        </button>
      </div>
    </form>
  );
}

function Farewell({ gone, onClose }: { gone: Gone; onClose: () => void }) {
  return (
    <>
      <p role="status">{say("goneText", { chats: gone.chats, rows: gone.feedback })}</p>
      {gone.runs.length > 0 && <p class="note">{say("trainAgain", { runs: gone.runs.join(", ") })}</p>}
      <div class="dialog-actions">
        <button type="button" class="primary" onClick={onClose}>
          {say("close")}
        </button>
      </div>
    </>
  );
}
