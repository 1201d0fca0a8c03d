// Who has an account, what they may do, and the links by which more join.
import { useState } from "preact/hooks";
import type { Role } from "../../api";
import { Icon } from "../../parts/icons";
import { useLoaded } from "../../parts/loaded";
import { notify } from "../../parts/notices";
import { me } from "../../session";
import { day } from "../../words";
import { office, type Person } from "./api";
import { ROLES } from "./caps";
import { sure } from "./confirm";
import { Invites } from "./invites";
import { PersonDialog } from "./person_dialog";
import { say } from "./words";
import { useWork } from "./working";

export function People() {
  const found = useLoaded(() => office.people(), []);
  const [opened, setOpened] = useState<string | null>(null);
  const people = found.value ?? [];
  const person = people.find((one) => one.id === opened);
  const isAlone = found.value !== null && !me.value?.person;
  return (
    <>
      {isAlone && <p class="note">{say("nobodyYet")}</p>}
      <section class="card box" aria-label={say("people")}>
        <header class="row between">
          <h2>{say("people")}</h2>
          {people.length > 0 && <span class="hint numbers">{say("accounts", { count: people.length })}</span>}
        </header>
        {found.failure && <p class="failure">{found.failure}</p>}
        {found.value && !people.length && <p class="empty">{say("noPeople")}</p>}
        <ul class="lines">
          {people.map((one) => (
            <PersonLine key={one.id} person={one} onChanged={found.reload} onOpen={() => setOpened(one.id)} />
          ))}
        </ul>
      </section>
      <Invites isFirst={isAlone} />
      {person && <PersonDialog person={person} onChanged={found.reload} onClose={() => setOpened(null)} />}
    </>
  );
}

interface LineProps {
  person: Person;
  onChanged: () => void;
  onOpen: () => void;
}

function PersonLine({ person, onChanged, onOpen }: LineProps) {
  const [isBusy, work] = useWork();
  const isMe = me.value?.person?.id === person.id;
  const change = async (select: HTMLSelectElement) => {
    const role = select.value as Role;
    select.value = person.role; // until the server agrees
    if ((role === "admin" || isMe) && !(await sure(roleQuestion(person, role, isMe)))) return;
    await work(async () => {
      await office.changePerson(person.id, { role });
      notify(say("roleChanged", { name: person.name, role: say(role) }));
      onChanged();
    });
  };
  return (
    <li class={person.disabled_at ? "line faded" : "line"}>
      <span class="portrait" aria-hidden="true">
        {[...person.name.replace(/[^\p{L}\p{N}]/gu, "")][0]?.toUpperCase() ?? "?"}
      </span>
      <div class="line-text">
        <p class="line-name">
          <bdi>{person.name}</bdi>
          {isMe && <span class="badge good">{say("you")}</span>}
          {person.disabled_at && <span class="badge bad">{say("disabled")}</span>}
        </p>
        <p class="hint">{say("since", { day: day(person.created_at) })}</p>
      </div>
      <div class="line-actions">
        <select
          aria-label={say("roleOf", { name: person.name })}
          value={person.role}
          disabled={isBusy}
          onChange={(event) => void change(event.currentTarget)}
        >
          {ROLES.map((role) => (
            <option key={role} value={role}>
              {say(role)}
            </option>
          ))}
        </select>
        <button
          type="button"
          class="quiet square"
          aria-label={say("manage", { name: person.name })}
          title={say("manage", { name: person.name })}
          onClick={onOpen}
        >
          <Icon name="sliders" />
        </button>
      </div>
    </li>
  );
}

function roleQuestion(person: Person, role: Role, isMe: boolean) {
  return {
    title: say("roleTitle", { name: person.name, role: say(role) }),
    text: isMe ? say("ownRole") : say("adminRole"),
    action: say("changeRole"),
    isDanger: isMe,
  };
}
