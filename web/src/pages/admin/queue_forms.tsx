// Ways to fill the queue: answers that a run has sampled, chats, and prompts that people shall write. And the one that
// asks nobody: what a run's simulated labeler has ranked, marked as such.
import { useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { notify } from "../../parts/notices";
import { categoryName } from "../label/words";
import { type Added, office } from "./api";
import { teach } from "./teaching_words";
import { useWork } from "./working";

export function QueueForms({ onAdded }: { onAdded: () => void }) {
  return (
    <div class="pair">
      <FromRun onAdded={onAdded} />
      <FromChats onAdded={onAdded} />
      <ForPrompts onAdded={onAdded} />
    </div>
  );
}

function tell(result: Added): void {
  notify(teach("added", { count: result.new, known: result.known }));
}

/** What can be done with the answers of a run; the last asks nobody. */
const FROM_RUN = ["rank", "rate_answer", "demonstration", "simulated"] as const;
type FromRunAs = (typeof FROM_RUN)[number];
const FROM_CHATS = ["rate_chat", "demonstration"] as const;

function FromRun({ onAdded }: { onAdded: () => void }) {
  const found = useLoaded(() => office.runs(), []);
  const [isBusy, work] = useWork();
  const [at, setAt] = useState(0);
  const [wanted, setWanted] = useState<FromRunAs>("rank");
  const collected = (found.value ?? []).flatMap((run) =>
    run.stages
      .filter((stage) => stage.kind === "collect" && stage.complete)
      .map((stage) => ({ run: run.name, stage: stage.name, isRanked: stage.has_rankings })),
  );
  const chosen = collected[at] ?? collected[0];
  const kinds = FROM_RUN.filter((one) => one !== "simulated" || chosen?.isRanked);
  const kind = kinds.includes(wanted) ? wanted : "rank";
  const submit = (form: HTMLFormElement) =>
    work(async () => {
      if (!chosen) return;
      const { run, stage } = chosen;
      const fields = new FormData(form);
      const limit = Number(fields.get("limit"));
      if (kind === "simulated") {
        const taken = await office.takeSimulated({ run, stage, limit });
        notify(teach("simulatedAdded", { count: taken.new, known: taken.known }));
      } else {
        const gold = kind === "rank" && fields.get("gold") === "on";
        tell(await office.queueRun({ run, stage, as: kind, overlap: Number(fields.get("overlap")), gold, limit }));
      }
      onAdded();
    });
  return (
    <section class="card box" aria-label={teach("fromRun")}>
      <h2>{teach("fromRun")}</h2>
      <p class="hint">{teach("fromRunMore")}</p>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !collected.length && <p class="note">{teach("nothingCollected")}</p>}
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <div class="form-line">
          <label>
            <span>{teach("collected")}</span>
            <select disabled={!collected.length} value={String(at)} onChange={(event) => setAt(Number(event.currentTarget.value))}>
              {!found.value && <option>…</option>}
              {collected.map(({ run, stage }, place) => (
                <option key={`${run}/${stage}`} value={String(place)}>
                  {run} / {stage}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{teach("toDo")}</span>
            <select value={kind} onChange={(event) => setWanted(event.currentTarget.value as FromRunAs)}>
              {kinds.map((one) => (
                <option key={one} value={one}>
                  {teach(one === "simulated" ? "simulate" : `task_${one}`)}
                </option>
              ))}
            </select>
          </label>
        </div>
        <div class="form-line">
          <label>
            <span>{teach("howMany")}</span>
            <input name="limit" type="number" min={1} max={100000} defaultValue="200" required />
          </label>
          {kind !== "simulated" && <Overlap />}
        </div>
        {kind === "simulated" && <p class="note">{teach("simulateMore")}</p>}
        {kind === "rank" && chosen?.isRanked && (
          <label class="check">
            <input type="checkbox" name="gold" />
            <span class="plain-text">{teach("withGold")}</span>
          </label>
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy || !collected.length}>
            {teach(kind === "simulated" ? "simulateNow" : "queueThem")}
          </button>
        </div>
      </form>
    </section>
  );
}

function FromChats({ onAdded }: { onAdded: () => void }) {
  const [isBusy, work] = useWork();
  const submit = (form: HTMLFormElement) =>
    work(async () => {
      const fields = new FormData(form);
      const kind = FROM_CHATS.find((one) => one === fields.get("as")) ?? "rate_chat";
      tell(await office.queueChats({ as: kind, overlap: Number(fields.get("overlap")) }));
      onAdded();
    });
  return (
    <section class="card box" aria-label={teach("fromChats")}>
      <h2>{teach("fromChats")}</h2>
      <p class="hint">{teach("fromChatsMore")}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <div class="form-line">
          <label>
            <span>{teach("toDo")}</span>
            <select name="as">
              {FROM_CHATS.map((one) => (
                <option key={one} value={one}>
                  {teach(`task_${one}`)}
                </option>
              ))}
            </select>
          </label>
          <Overlap />
        </div>
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy}>
            {teach("queueThem")}
          </button>
        </div>
      </form>
    </section>
  );
}

function Overlap() {
  return (
    <label>
      <span>{teach("overlap")}</span>
      <input name="overlap" type="number" min={1} max={100} defaultValue="1" required />
    </label>
  );
}

function ForPrompts({ onAdded }: { onAdded: () => void }) {
  const found = useLoaded(() => office.progress(), []);
  const [isBusy, work] = useWork();
  const coverage = found.value?.coverage ?? {};
  const submit = (form: HTMLFormElement) =>
    work(async () => {
      const fields = new FormData(form);
      const brief = String(fields.get("brief")).trim();
      tell(await office.askForPrompts({ [String(fields.get("category"))]: brief }, Number(fields.get("each"))));
      form.reset();
      onAdded();
    });
  return (
    <section class="card box" aria-label={teach("forPrompts")}>
      <h2>{teach("forPrompts")}</h2>
      <p class="hint">{teach("forPromptsMore")}</p>
      {found.failure && <p class="failure">{found.failure}</p>}
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <div class="form-line">
          <label>
            <span>{teach("category")}</span>
            <select name="category">
              {(found.value?.categories ?? []).map((category) => (
                <option key={category} value={category}>
                  {categoryName(category)} ({coverage[category] ?? 0})
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{teach("manyEach")}</span>
            <input name="each" type="number" min={1} max={1000} defaultValue="10" required />
          </label>
        </div>
        <label>
          <span>{teach("brief")}</span>
          <textarea name="brief" rows={3} required placeholder={teach("briefPlaceholder")} />
        </label>
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy}>
            {teach("askForThem")}
          </button>
        </div>
      </form>
    </section>
  );
}
