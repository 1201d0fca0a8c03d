// What labelers get to do: how far it is, filling it, closing what nobody needs any more.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { notify, report } from "../../parts/notices";
import { categoryName } from "../label/words";
import { office, type Task, TASK_KINDS, type TaskKind } from "./api";
import { readingOf } from "./content";
import { QueueForms } from "./queue_forms";
import { teach } from "./teaching_words";
import { Segments } from "./usage";
import { duration } from "./units";
import { moment } from "./words";

type Shown = "open" | "closed";

export function Queue() {
  const [turn, setTurn] = useState(0);
  return (
    <>
      <p class="lead">{teach("queueLead")}</p>
      <Standing turn={turn} />
      <QueueForms onAdded={() => setTurn(turn + 1)} />
      <Tasks turn={turn} onChanged={() => setTurn(turn + 1)} />
    </>
  );
}

function Standing({ turn }: { turn: number }) {
  const found = useLoaded(() => office.progress(), [turn]);
  const kinds = (found.value?.kinds ?? []).filter((one) => one.tasks > 0);
  return (
    <section class="card box" aria-label={teach("standing")}>
      <h2>{teach("standing")}</h2>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !kinds.length && <p class="hint">{teach("noTasks")}</p>}
      <ul class="bars standing">
        {kinds.map((one) => (
          <li key={one.kind}>
            <span class="bar-name">{teach(`task_${one.kind}`)}</span>
            <span class="bar" aria-hidden="true">
              <i style={{ width: `${one.wanted === null ? 0 : (100 * one.judgements) / Math.max(1, one.wanted)}%` }} />
            </span>
            <span class="numbers">
              {one.wanted === null
                ? teach("written", { count: one.judgements })
                : teach("doneOf", { done: one.judgements, wanted: one.wanted })}
              {one.seconds !== null && ` · ${teach("eachTakes", { time: duration(one.seconds) })}`}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Tasks({ turn, onChanged }: { turn: number; onChanged: () => void }) {
  const [kind, setKind] = useState<TaskKind | "">("");
  const [state, setState] = useState<Shown>("open");
  const [more, setMore] = useState<{ tasks: Task[]; more: boolean } | null>(null);
  const found = useLoaded(async () => {
    const page = await office.tasks(kind, state);
    setMore(null);
    return page;
  }, [kind, state, turn]);
  const tasks = [...(found.value?.tasks ?? []), ...(more?.tasks ?? [])];
  const loadMore = async () => {
    try {
      const page = await office.tasks(kind, state, tasks.at(-1)?.id);
      setMore({ tasks: [...(more?.tasks ?? []), ...page.tasks], more: page.more });
    } catch (error) {
      report(error);
    }
  };
  const toggle = async (task: Task) => {
    try {
      await office.closeTasks([task.id], task.state === "open");
      notify(teach(task.state === "open" ? "closedNow" : "openedNow"));
      onChanged();
    } catch (error) {
      report(error);
    }
  };
  return (
    <section class="card box" aria-label={teach("tasks")}>
      <header class="row between">
        <h2>{teach("tasks")}</h2>
        <div class="row">
          <select aria-label={teach("kind")} value={kind} onChange={(event) => setKind(event.currentTarget.value as TaskKind | "")}>
            <option value="">{teach("allKinds")}</option>
            {TASK_KINDS.map((one) => (
              <option key={one} value={one}>
                {teach(`task_${one}`)}
              </option>
            ))}
          </select>
          <Segments
            label={teach("state")}
            items={["open", "closed"] as const}
            chosen={state}
            name={(one) => teach(`${one}Tasks`)}
            onChoose={setState}
          />
        </div>
      </header>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !tasks.length && <p class="empty">{teach("noTasks")}</p>}
      <ul class="lines">
        {tasks.map((task) => (
          <TaskLine key={task.id} task={task} onToggle={() => void toggle(task)} />
        ))}
      </ul>
      {(more ? more.more : found.value?.more) && (
        <button type="button" class="plain" onClick={() => void loadMore()}>
          {teach("loadMore")}
        </button>
      )}
    </section>
  );
}

function TaskLine({ task, onToggle }: { task: Task; onToggle: () => void }) {
  const isOpen = task.state === "open";
  const facts = [
    teach(`task_${task.kind}`),
    task.category && categoryName(task.category),
    task.source,
    task.kind === "prompt"
      ? teach("written", { count: task.done })
      : teach("judgedOf", { done: task.done, wanted: task.overlap }),
    moment(task.created_at),
  ];
  return (
    <li class="line">
      <div class="line-text">
        <p class="line-name">
          <bdi class="cut">{headOf(task)}</bdi>
          {task.gold && <span class="badge live-gold">{teach("goldTask")}</span>}
        </p>
        <p class="hint numbers">{facts.filter(Boolean).join(" · ")}</p>
      </div>
      <div class="line-actions">
        <button
          type="button"
          class="quiet small"
          aria-label={teach("actOn", { action: teach(isOpen ? "closeTask" : "openTask"), title: headOf(task).slice(0, 80) })}
          onClick={onToggle}
        >
          {teach(isOpen ? "closeTask" : "openTask")}
        </button>
      </div>
    </li>
  );
}

/** The last thing asked, or the brief: enough to know a task by. */
function headOf(task: Task): string {
  const { brief } = task.content;
  if (typeof brief === "string" && brief) return brief;
  const talk = readingOf({ kind: "ranking", content: task.content }).talk;
  return talk.findLast((turn) => turn.role === "user")?.content ?? teach("noText");
}
