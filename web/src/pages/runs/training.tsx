// Train on what people said: first plainly what there is, then start; jobs with progress, last lines and a way to stop.
import { useEffect, useState } from "preact/hooks";
import { Dialog } from "../../parts/dialog";
import { useLoaded } from "../../parts/loaded";
import { notify, report } from "../../parts/notices";
import { addressOf, go } from "../../router";
import { number, percent } from "../../words";
import { type Job, type JobKind, type Training as Facts, watching } from "./api";
import { Curves } from "./curves";
import { readSettings } from "./settings";
import { say, time } from "./words";

const LOOK_EVERY_MS = 2500;
const KINDS: JobKind[] = ["loop", "reward", "ppo"];

export function Training() {
  const facts = useLoaded(() => watching.training(), []);
  const jobs = useLoaded(() => watching.jobs(), []);
  const [chosen, setChosen] = useState<string | null>(null);
  const isBusy = (jobs.value ?? []).some((job) => job.state === "running" || job.state === "queued");
  useEffect(() => {
    if (!isBusy) return;
    const timer = setInterval(jobs.reload, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [isBusy]);
  useEffect(() => facts.reload(), [isBusy]);
  const shown = jobs.value?.find((job) => job.id === chosen) ?? jobs.value?.[0];
  return (
    <>
      {facts.failure && <p class="failure">{facts.failure}</p>}
      {facts.value && (
        <div class="pair">
          <Plainly facts={facts.value} />
          <Start
            facts={facts.value}
            onStarted={(job) => {
              setChosen(job.id);
              jobs.reload();
            }}
          />
        </div>
      )}
      <section class="card box" aria-label={say("jobs")}>
        <h2>{say("jobs")}</h2>
        {jobs.failure && <p class="failure">{jobs.failure}</p>}
        {jobs.value && !jobs.value.length && <p class="hint">{say("noJobs")}</p>}
        {jobs.value && jobs.value.length > 0 && (
          <ul class="jobs">
            {jobs.value.map((job) => (
              <li key={job.id}>
                <button type="button" class="job" aria-pressed={job.id === shown?.id} onClick={() => setChosen(job.id)}>
                  <strong>{say(`job_${job.kind}`)}</strong>
                  <JobBadge job={job} />
                  <span class="hint">{job.run ?? ""}</span>
                  <span class="hint numbers">{time(job.created_at)}</span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </section>
      {shown && <JobView key={shown.id} job={shown} onChanged={jobs.reload} />}
    </>
  );
}

/** How much there is to learn from, and what that has reached: said before anybody presses a button. */
function Plainly({ facts }: { facts: Facts }) {
  const { comparisons, enough, last } = facts;
  const [low, high] = last?.interval ?? [null, null];
  return (
    <section class="card box" aria-label={say("plainly")}>
      <h2>{say("plainly")}</h2>
      <dl class="figures">
        <div>
          <dt>{say("comparisons")}</dt>
          <dd>{number(comparisons)}</dd>
        </div>
        <div>
          <dt>{say("rankings")}</dt>
          <dd>{number(facts.rankings)}</dd>
        </div>
        <div>
          <dt>{say("demonstrations")}</dt>
          <dd>{number(facts.demonstrations)}</dd>
        </div>
      </dl>
      <div class="enough">
        <span class="bar" aria-hidden="true">
          <i class={comparisons < enough ? "second" : ""} style={{ width: `${Math.min(100, (100 * comparisons) / enough)}%` }} />
        </span>
        <p class="hint numbers">{say("ofEnough", { have: comparisons, enough })}</p>
      </div>
      <p class={comparisons < enough ? "note" : "hint"}>
        {comparisons === 0 ? say("nothingToLearn") : say(comparisons < enough ? "tooFew" : "enough", { have: comparisons, enough })}
      </p>
      {comparisons === 0 && <ToTheQueue />}
      {facts.simulated > 0 && (
        <p class="row">
          <span class="badge live-still">{say("simulated")}</span>{" "}
          {say("simulatedLine", { count: facts.simulated, all: facts.rankings })}
        </p>
      )}
      {facts.waiting > 0 && <p class="hint">{say("waitingLine", { count: facts.waiting })}</p>}
      {facts.left_out > 0 && <p class="note">{say("leftOutLine", { count: facts.left_out })}</p>}
      {facts.people.length > 0 && <Contributors people={facts.people} />}
      <p>
        {last
          ? say("reached", {
              run: last.run,
              accuracy: percent(last.accuracy),
              interval: low === null || high === null ? "–" : `${percent(low)} – ${percent(high)}`,
            })
          : say("reachedNothing")}
        {last?.comparisons != null && ` ${learnedFrom(last.comparisons, last.simulated)}`}
      </p>
    </section>
  );
}

/** Where answers are put before people, or a simulated labeler fills in. */
function ToTheQueue() {
  return (
    <p>
      <a
        class="plain small"
        href={addressOf("admin", { tab: "queue" })}
        onClick={(event) => {
          event.preventDefault();
          go("admin", { tab: "queue" });
        }}
      >
        {say("toTheQueue")}
      </a>
    </p>
  );
}

/** A reward model that came with a run was not taught by the people here: whose comparisons they were is said. */
function learnedFrom(comparisons: number, simulated: number | null): string {
  const all = { all: comparisons };
  return simulated === null ? say("learnedFromUnknown", all) : say("learnedFrom", { ...all, simulated });
}

/** Whose rankings these are: one person alone should not decide what a model learns. */
function Contributors({ people }: { people: Facts["people"] }) {
  const all = people.reduce((sum, one) => sum + one.rows, 0);
  return (
    <details class="more">
      <summary>{say("contributors", { count: people.length })}</summary>
      <ul class="bars">
        {people.map((one) => (
          <li key={one.labeler}>
            <span class="bar-name">
              <bdi>{one.simulated && one.labeler === "simulated" ? say("simulatedLabeler") : (one.name ?? (one.labeler || say("fromFiles")))}</bdi>
              {one.simulated && <span class="badge">{say("simulated")}</span>}
            </span>
            <span class="bar" aria-hidden="true">
              <i style={{ width: `${(100 * one.rows) / Math.max(1, all)}%` }} />
            </span>
            <span class="numbers">
              {number(one.rows)}
              {one.left_out > 0 && ` − ${number(one.left_out)}`}
            </span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Start({ facts, onStarted }: { facts: Facts; onStarted: (job: Job) => void }) {
  const [kind, setKind] = useState<JobKind>("loop");
  const sources = facts.sources.filter((source) => source.sft && (kind !== "ppo" || source.reward));
  const [wanted, setWanted] = useState("");
  const run = sources.find((source) => source.run === wanted)?.run ?? sources[0]?.run ?? "";
  const [withSimulated, setWithSimulated] = useState(true);
  const [settings, setSettings] = useState("");
  const [isAsking, setAsking] = useState(false);
  const [submission, setSubmission] = useState("");
  const read = readSettings(settings);
  const learnable = facts.comparisons - (withSimulated ? 0 : facts.simulated_comparisons);
  const lacks = kind !== "ppo" && learnable === 0;
  const start = async () => {
    setAsking(false);
    try {
      const job = await watching.startJob({ kind, run, with_simulated: withSimulated, settings: read.settings, submission });
      notify(say("jobQueued"));
      onStarted(job);
    } catch (error) {
      report(error);
    }
  };
  return (
    <form
      class="card box"
      aria-label={say("startTraining")}
      onSubmit={(event) => {
        event.preventDefault();
        setSubmission(`${Date.now()}-${Math.random().toString(36).slice(2, 12)}`); // a second click starts nothing twice
        setAsking(true);
      }}
    >
      <h2>{say("startTraining")}</h2>
      <div class="kinds-of-jobs" role="radiogroup" aria-label={say("what")}>
        {KINDS.map((one) => (
          <label key={one} class="check">
            <input type="radio" name="kind" checked={kind === one} onChange={() => setKind(one)} />
            <span class="job-choice">
              <strong>{say(`job_${one}`)}</strong>
              <span class="hint">{say(`job_${one}_more`)}</span>
            </span>
          </label>
        ))}
      </div>
      <label>
        <span>{say("fromRun")}</span>
        <select value={run} onChange={(event) => setWanted(event.currentTarget.value)}>
          {sources.map((source) => (
            <option key={source.run} value={source.run}>
              {source.run}
            </option>
          ))}
        </select>
      </label>
      {facts.simulated > 0 && (
        <label class="check">
          <input type="checkbox" checked={withSimulated} onChange={(event) => setWithSimulated(event.currentTarget.checked)} />
          {say("withSimulated", { count: facts.simulated })}
        </label>
      )}
      <details class="more">
        <summary>{say("settings")}</summary>
        <label>
          <span>{say("settingsLines")}</span>
          <textarea
            rows={3}
            placeholder={"ppo.iterations = 20"}
            value={settings}
            onInput={(event) => setSettings(event.currentTarget.value)}
          />
        </label>
        {read.wrong.length > 0 && <p class="failure">{say("wrongLines", { lines: read.wrong.join(" · ") })}</p>}
      </details>
      <button type="submit" class="primary" disabled={!run || lacks || read.wrong.length > 0}>
        {say("start")}
      </button>
      {lacks && <p class="note">{say(facts.comparisons > 0 ? "onlySimulated" : "nothingToStartFrom")}</p>}
      {!sources.length && <p class="hint">{say("noSource")}</p>}
      {isAsking && (
        <Dialog title={say(`job_${kind}`)} close={say("close")} onClose={() => setAsking(false)}>
          <Plainly facts={facts} />
          <div class="dialog-actions">
            <button type="button" class="plain" onClick={() => setAsking(false)}>
              {say("cancel")}
            </button>
            <button type="button" class="primary" onClick={() => void start()}>
              {say("startNow")}
            </button>
          </div>
        </Dialog>
      )}
    </form>
  );
}

function JobBadge({ job }: { job: Job }) {
  const look = { queued: "", running: "live", done: "good", failed: "bad", stopped: "" }[job.state];
  return <span class={`badge ${look}`}>{say(`job_is_${job.state}`)}</span>;
}

function JobView({ job, onChanged }: { job: Job; onChanged: () => void }) {
  const isOpen = job.state === "running" || job.state === "queued";
  const found = useLoaded(() => watching.job(job.id), [job.id, job.state]);
  const run = useLoaded(() => (job.run ? watching.run(job.run) : Promise.resolve(null)), [job.run, job.state]);
  useEffect(() => {
    if (!isOpen) return;
    const timer = setInterval(() => {
      found.reload();
      run.reload();
    }, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [isOpen]);
  const busy = run.value?.stages.find((stage) => stage.state === "running") ?? run.value?.stages.at(-1);
  const cancel = async () => {
    try {
      await watching.cancelJob(job.id);
      onChanged();
    } catch (error) {
      report(error);
    }
  };
  return (
    <section class="card box" aria-label={say("jobNumber", { id: job.id })}>
      <header class="row between">
        <h2>
          {say(`job_${job.kind}`)} <JobBadge job={job} />
        </h2>
        {isOpen && (
          <button type="button" class="plain small" onClick={() => void cancel()}>
            {say("stop")}
          </button>
        )}
      </header>
      {job.error && <p class="failure">{job.error}</p>}
      {job.prompts && (
        <p class={job.prompts.validation ? "hint" : "note"}>
          {say(job.prompts.validation ? "promptsWatched" : "promptsTooFew", { ...job.prompts })}
        </p>
      )}
      {run.value && busy && (
        <>
          <p class="hint">
            {run.value.stages.map((stage) => `${stage.name}: ${say(`state_${stage.state}`)}`).join(" · ")}
          </p>
          {(busy.metrics.length > 0 || busy.state === "running") && (
            <Curves run={run.value.name} stage={busy.name} isLive={busy.state === "running"} />
          )}
        </>
      )}
      <h3>{say("lastLines")}</h3>
      <pre class="log" tabIndex={0} aria-label={say("lastLines")}>
        {(found.value?.log ?? "").trim() || say("nothingSaid")}
      </pre>
    </section>
  );
}
