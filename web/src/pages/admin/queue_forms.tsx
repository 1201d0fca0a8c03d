// Two ways to fill the queue: answers that a run has sampled, and prompts that people shall write.
import { useLoaded } from "../../parts/loaded";
import { notify } from "../../parts/notices";
import { categoryName } from "../label/words";
import { type Added, office } from "./api";
import { teach } from "./teaching_words";
import { useWork } from "./working";

export function QueueForms({ onAdded }: { onAdded: () => void }) {
  const added = (result: Added) => {
    notify(teach("added", { count: result.new, known: result.known }));
    onAdded();
  };
  return (
    <div class="pair">
      <FromRun onAdded={added} />
      <ForPrompts onAdded={added} />
    </div>
  );
}

function FromRun({ onAdded }: { onAdded: (result: Added) => void }) {
  const found = useLoaded(() => office.runs(), []);
  const [isBusy, work] = useWork();
  const collected = (found.value ?? []).flatMap((run) =>
    run.stages.filter((stage) => stage.kind === "collect" && stage.complete).map((stage) => ({ run: run.name, stage: stage.name })),
  );
  const submit = (form: HTMLFormElement) =>
    work(async () => {
      const fields = new FormData(form);
      const from = collected[Number(fields.get("from"))];
      if (!from) return;
      onAdded(
        await office.queueRun({
          ...from,
          as: fields.get("as") === "demonstration" ? "demonstration" : "rank",
          overlap: Number(fields.get("overlap")),
          gold: fields.get("gold") === "on",
          limit: Number(fields.get("limit")),
        }),
      );
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
            <select name="from" disabled={!collected.length}>
              {!found.value && <option>…</option>}
              {collected.map(({ run, stage }, at) => (
                <option key={`${run}/${stage}`} value={at}>
                  {run} / {stage}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{teach("toDo")}</span>
            <select name="as">
              <option value="rank">{teach("task_rank")}</option>
              <option value="demonstration">{teach("task_demonstration")}</option>
            </select>
          </label>
        </div>
        <div class="form-line">
          <label>
            <span>{teach("howMany")}</span>
            <input name="limit" type="number" min={1} max={100000} defaultValue="200" required />
          </label>
          <label>
            <span>{teach("overlap")}</span>
            <input name="overlap" type="number" min={1} max={100} defaultValue="1" required />
          </label>
        </div>
        <label class="check">
          <input type="checkbox" name="gold" />
          <span class="plain-text">{teach("withGold")}</span>
        </label>
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy || !collected.length}>
            {teach("queueThem")}
          </button>
        </div>
      </form>
    </section>
  );
}

function ForPrompts({ onAdded }: { onAdded: (result: Added) => void }) {
  const found = useLoaded(() => office.progress(), []);
  const [isBusy, work] = useWork();
  const coverage = found.value?.coverage ?? {};
  const submit = (form: HTMLFormElement) =>
    work(async () => {
      const fields = new FormData(form);
      const brief = String(fields.get("brief")).trim();
      onAdded(await office.askForPrompts({ [String(fields.get("category"))]: brief }, Number(fields.get("each"))));
      form.reset();
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
