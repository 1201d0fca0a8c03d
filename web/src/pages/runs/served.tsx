// Each served model by day, and which folder answers under which name: promote, roll back.
import { useState } from "preact/hooks";
import { Dialog } from "../../parts/dialog";
import { useLoaded } from "../../parts/loaded";
import { notify, report } from "../../parts/notices";
import { Plot } from "../../parts/plot";
import { api } from "../../api";
import { day, number, percent } from "../../words";
import { me, models, writingModels } from "../../session";
import { type Day, type Promotion, type RunSummary, watching } from "./api";
import { short } from "./curves";
import { say, time } from "./words";

export interface Candidate {
  model?: string;
  run?: string;
  stage?: string;
}

export function Served({ runs }: { runs: RunSummary[] }) {
  return (
    <>
      <Days />
      <Promotions runs={runs} />
    </>
  );
}

function Days() {
  const [span, setSpan] = useState(30);
  const found = useLoaded(() => watching.days(span), [span]);
  const rows = found.value ?? [];
  const names = [...new Set(rows.map((row) => row.model))];
  return (
    <section class="card box" aria-label={say("byDay")}>
      <header class="row between">
        <h2>{say("byDay")}</h2>
        <div class="segments" role="group" aria-label={say("span")}>
          {[7, 30, 90].map((days) => (
            <button key={days} type="button" aria-pressed={span === days} onClick={() => setSpan(days)}>
              {say("days", { count: days })}
            </button>
          ))}
        </div>
      </header>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !rows.length && <p class="empty">{say("noUse")}</p>}
      {new Set(rows.map((row) => row.day)).size > 1 && <RequestsPlot rows={rows} names={names} />}
      {rows.length > 0 && <DaysTable rows={rows} />}
      {rows.length > 0 && <p class="hint">{say("refusalsMore")}</p>}
    </section>
  );
}

function RequestsPlot({ rows, names }: { rows: Day[]; names: string[] }) {
  const days = [...new Set(rows.map((row) => row.day))].sort();
  const curves = names.slice(0, 4).map((name) => ({
    label: name,
    values: days.map((one) => rows.find((row) => row.day === one && row.model === name)?.requests ?? 0),
    isSparse: true,
  }));
  return <Plot label={say("requests")} xs={days.map((_, at) => at + 1)} curves={curves} height={150} digits={(value) => number(value)} />;
}

function DaysTable({ rows }: { rows: Day[] }) {
  const thumbs = (row: Day) => (row.up + row.down ? percent(row.up / (row.up + row.down)) : "–");
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("scrolls", { name: say("byDay") })}>
      <table class="listing">
        <thead>
          <tr>
            <th scope="col">{say("day")}</th>
            <th scope="col">{say("model")}</th>
            <th scope="col" class="amount">
              {say("requests")}
            </th>
            <th scope="col" class="amount">
              {say("tokensInOut")}
            </th>
            <th scope="col" class="amount">
              {say("thumbs")}
            </th>
            <th scope="col" class="amount">
              {say("rewardScore")}
            </th>
            <th scope="col" class="amount">
              {say("refusals")}
            </th>
          </tr>
        </thead>
        <tbody>
          {[...rows].reverse().map((row) => (
            <tr key={`${row.day} ${row.model}`}>
              <td class="day">{day(row.day)}</td>
              <th scope="row">{row.model}</th>
              <td class="amount">{number(row.requests)}</td>
              <td class="amount">
                {number(row.tokens_in)} / {number(row.tokens_out)}
              </td>
              <td class="amount">
                {thumbs(row)}
                {row.up + row.down > 0 && <small class="hint"> ({row.up}+{row.down})</small>}
              </td>
              <td class="amount">{row.reward_score === null ? "–" : short(row.reward_score)}</td>
              <td class="amount">{number(row.refusals)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Promotions({ runs }: { runs: RunSummary[] }) {
  const found = useLoaded(() => watching.promotions(), []);
  const [asking, setAsking] = useState<{ what: "promote" } | { what: "back"; model: string } | null>(null);
  const isAdmin = me.value?.role === "admin";
  const current = found.value?.current ?? {};
  const back = async (model: string) => {
    setAsking(null);
    try {
      await watching.rollBack(model);
      notify(say("rolledBack", { model }));
      models.value = await api.models();
      found.reload();
    } catch (error) {
      report(error);
    }
  };
  return (
    <section class="card box" aria-label={say("promotions")}>
      <header class="row between">
        <h2>{say("promotions")}</h2>
        {isAdmin && (
          <button type="button" class="plain small" onClick={() => setAsking({ what: "promote" })}>
            {say("promote")}
          </button>
        )}
      </header>
      {found.failure && <p class="failure">{found.failure}</p>}
      <p class="hint">{say("promotionsLead")}</p>
      {found.value && found.value.history.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={say("scrolls", { name: say("promotions") })}>
          <table class="listing">
            <thead>
              <tr>
                <th scope="col">{say("model")}</th>
                <th scope="col">{say("answersWith")}</th>
                <th scope="col">{say("since")}</th>
                <th scope="col">
                  <span class="for-readers">{say("actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.value.history.map((one) => (
                <PromotionRow
                  key={one.id}
                  promotion={one}
                  isCurrent={current[one.model]?.id === one.id}
                  onBack={isAdmin ? () => setAsking({ what: "back", model: one.model }) : null}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {asking?.what === "promote" && (
        <PromoteDialog runs={runs} given={{}} onClose={() => setAsking(null)} onDone={found.reload} />
      )}
      {asking?.what === "back" && (
        <Dialog title={say("rollBackTitle", { model: asking.model })} close={say("close")} onClose={() => setAsking(null)}>
          <p>{say("rollBackMore", { model: asking.model })}</p>
          <div class="dialog-actions">
            <button type="button" class="plain" onClick={() => setAsking(null)}>
              {say("cancel")}
            </button>
            <button type="button" class="primary danger" onClick={() => void back(asking.model)}>
              {say("rollBack")}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

interface PromotionRowProps {
  promotion: Promotion;
  isCurrent: boolean;
  onBack: (() => void) | null;
}

function PromotionRow({ promotion, isCurrent, onBack }: PromotionRowProps) {
  const name = promotion.note || promotion.folder.split("/").slice(-2).join("/");
  return (
    <tr>
      <th scope="row">{promotion.model}</th>
      <td title={promotion.folder}>
        {name} {isCurrent && <span class="badge good">{say("now")}</span>}
        {promotion.rolled_back_at && <span class="badge">{say("takenBack")}</span>}
      </td>
      <td>{time(promotion.promoted_at)}</td>
      <td class="actions">
        {isCurrent && onBack && (
          <button type="button" class="plain small" onClick={onBack}>
            {say("rollBack")}
          </button>
        )}
      </td>
    </tr>
  );
}

const SPEAKING = ["pretrain", "sft", "ppo"];

interface PromoteProps {
  runs: RunSummary[];
  given: Candidate;
  onClose: () => void;
  onDone: () => void;
}

/** Says what will change before it changes. */
export function PromoteDialog({ runs, given, onClose, onDone }: PromoteProps) {
  const served = writingModels.value.map((model) => model.id);
  const [model, setModel] = useState(given.model ?? served[0] ?? "");
  const [run, setRun] = useState(given.run ?? runs[0]?.name ?? "");
  const stages = (runs.find((one) => one.name === run)?.stages ?? []).filter((stage) => stage.complete && SPEAKING.includes(stage.kind));
  const [wanted, setStage] = useState(given.stage ?? "");
  const stage = stages.find((one) => one.name === wanted)?.name ?? stages.at(-1)?.name ?? "";
  const [note, setNote] = useState("");
  const [isBusy, setBusy] = useState(false);
  const go = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await watching.promote({ model, run, stage, note });
      notify(say("promoted", { model, to: `${run}/${stage}` }));
      models.value = await api.models();
      onDone();
      onClose();
    } catch (error) {
      report(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={say("promote")} close={say("close")} onClose={onClose}>
      <form class="form" onSubmit={(event) => void go(event)}>
        <div class="form-line">
          <label>
            <span>{say("servedName")}</span>
            <select value={model} onChange={(event) => setModel(event.currentTarget.value)}>
              {served.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{say("run")}</span>
            <select value={run} onChange={(event) => setRun(event.currentTarget.value)}>
              {runs.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.name}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{say("stage")}</span>
            <select value={stage} onChange={(event) => setStage(event.currentTarget.value)}>
              {stages.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.name}
                </option>
              ))}
            </select>
          </label>
        </div>
        <label>
          <span>{say("note")}</span>
          <input maxLength={2000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
        </label>
        <p class="note">{say("promoteMore", { model, to: `${run}/${stage}` })}</p>
        <div class="dialog-actions">
          <button type="button" class="plain" onClick={onClose}>
            {say("cancel")}
          </button>
          <button type="submit" class="primary" disabled={isBusy || !stage || !model}>
            {say("promoteNow")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
