// Feedback to approve or reject before anything learns from it; also what was decided before.
import { useRef, useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { announce, notify, report } from "../../parts/notices";
import { number } from "../../words";
import { type Counts, FEEDBACK_KINDS, type FeedbackKind, type FeedbackRow, office, type State, STATES } from "./api";
import { sure } from "./confirm";
import { RowCard } from "./row_card";
import { teach } from "./teaching_words";
import { Segments } from "./usage";

export type Decide = (rows: FeedbackRow[], what: "approve" | "reject" | "remove") => Promise<void>;

export function Review() {
  const [state, setState] = useState<State>("waiting");
  const [kind, setKind] = useState<FeedbackKind | "">("");
  const [older, setOlder] = useState<FeedbackRow[]>([]);
  const [isMore, setMore] = useState<boolean | null>(null);
  const [runs, setRuns] = useState<string[]>([]);
  const found = useLoaded(async () => {
    const page = await office.feedback(kind, state);
    setOlder([]);
    setMore(null);
    return page;
  }, [kind, state]);
  const people = useLoaded(async () => new Map((await office.people()).map((one) => [one.id, one.name])), []);
  const rows = [...(found.value?.rows ?? []), ...older].filter((row) => row.state === state);
  const decide: Decide = async (chosen, what) => {
    try {
      const again = await decided(chosen, what);
      if (!again) return;
      setRuns((old) => [...new Set([...old, ...again])]);
      found.reload();
    } catch (error) {
      report(error);
    }
  };
  const loadMore = async () => {
    try {
      const page = await office.feedback(kind, state, rows.at(-1)?.id);
      setOlder((old) => [...old, ...page.rows]);
      setMore(page.more);
    } catch (error) {
      report(error);
    }
  };
  return (
    <>
      <p class="lead">{teach("reviewLead")}</p>
      <Filters counts={found.value?.counts ?? {}} state={state} kind={kind} onState={setState} onKind={setKind} />
      {found.failure && <p class="failure">{found.failure}</p>}
      {runs.length > 0 && <p class="note">{teach("trainAgain", { runs: runs.join(", ") })}</p>}
      {found.value && !rows.length && <p class="empty">{teach(state === "waiting" ? "nothingWaits" : "nothingHere")}</p>}
      {rows.length > 0 && <Rows key={`${state} ${kind}`} rows={rows} names={people.value} state={state} decide={decide} />}
      {(isMore ?? found.value?.more) && (
        <button type="button" class="plain" onClick={() => void loadMore()}>
          {teach("loadMore")}
        </button>
      )}
    </>
  );
}

interface FiltersProps {
  counts: Counts;
  state: State;
  kind: FeedbackKind | "";
  onState: (state: State) => void;
  onKind: (kind: FeedbackKind | "") => void;
}

function Filters({ counts, state, kind, onState, onKind }: FiltersProps) {
  return (
    <div class="row between">
      <Segments
        label={teach("state")}
        items={STATES}
        chosen={state}
        name={(one) => `${teach(one)} ${number(countOf(counts, kind, one))}`}
        onChoose={onState}
      />
      <div class="row">
        <label>
          <span class="field-name">{teach("kind")}</span>
          <select value={kind} onChange={(event) => onKind(event.currentTarget.value as FeedbackKind | "")}>
            <option value="">{teach("allKinds")}</option>
            {FEEDBACK_KINDS.map((one) => (
              <option key={one} value={one}>
                {teach(one)} ({number(countOf(counts, one, state))})
              </option>
            ))}
          </select>
        </label>
      </div>
    </div>
  );
}

/** Do it, after asking where it cannot be undone; the runs that want training again, or null if nothing was done. */
async function decided(rows: FeedbackRow[], what: "approve" | "reject" | "remove"): Promise<string[] | null> {
  const ids = rows.map((row) => row.id);
  if (what !== "remove") {
    const { changed } = await office.decide(ids, what === "approve");
    const said = teach(what === "approve" ? "approvedNow" : "rejectedNow", { count: changed });
    notify(said);
    return what === "reject" ? [...new Set(rows.flatMap((row) => row.trained_on))] : [];
  }
  const question = { title: teach("removeTitle", { count: rows.length }), text: teach("removeText"), action: teach("remove") };
  if (!(await sure(question))) return null;
  const gone = await office.remove(ids);
  notify(teach("removedNow", { count: gone.rows }));
  return gone.runs;
}

export function countOf(counts: Counts, kind: FeedbackKind | "", state: State): number {
  const kinds: readonly FeedbackKind[] = kind ? [kind] : FEEDBACK_KINDS;
  return kinds.reduce<number>((sum, one) => sum + (counts[one]?.[state] ?? 0), 0);
}

interface RowsProps {
  rows: FeedbackRow[];
  names: Map<string, string> | null;
  state: State;
  decide: Decide;
}

function Rows({ rows, names, state, decide }: RowsProps) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const list = useRef<HTMLUListElement>(null);
  const picked = rows.filter((row) => chosen.has(row.id));
  const pick = (ids: string[], isOn: boolean) => {
    const next = new Set(chosen);
    for (const id of ids) isOn ? next.add(id) : next.delete(id);
    setChosen(next);
  };
  const actions = (["approve", "reject", "remove"] as const).filter((what) => isPossible(state, what));
  const focusAt = (at: number) => list.current?.querySelectorAll<HTMLElement>(":scope > li > article")[at]?.focus();
  const onKey = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    const card = target.closest<HTMLElement>("article");
    if (!card || event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, summary")) return;
    const at = rows.findIndex((row) => row.id === card.dataset.row);
    const row = rows[at];
    if (!row) return;
    const what = ({ a: "approve", r: "reject" } as const)[event.key];
    if (event.key === "j" || event.key === "ArrowDown") focusAt(at + 1);
    else if (event.key === "k" || event.key === "ArrowUp") focusAt(at - 1);
    else if (event.key === "x") pick([row.id], !chosen.has(row.id));
    else if (what && actions.includes(what)) {
      focusAt(at + 1 < rows.length ? at + 1 : at - 1);
      void decide([row], what);
    } else return;
    if (event.key === "x") announce(teach(chosen.has(row.id) ? "unpicked" : "picked"));
    event.preventDefault();
  };
  return (
    <>
      <PickingBar rows={rows} picked={picked} actions={actions} pick={pick} decide={decide} />
      <ul class="cards" ref={list} onKeyDown={onKey}>
        {rows.map((row) => (
          <RowCard
            key={row.id}
            row={row}
            name={names?.get(row.person ?? "")}
            actions={actions}
            isPicked={chosen.has(row.id)}
            onPick={(isOn) => pick([row.id], isOn)}
            decide={decide}
          />
        ))}
      </ul>
    </>
  );
}

interface PickingProps {
  rows: FeedbackRow[];
  picked: FeedbackRow[];
  actions: ("approve" | "reject" | "remove")[];
  pick: (ids: string[], isOn: boolean) => void;
  decide: Decide;
}

function PickingBar({ rows, picked, actions, pick, decide }: PickingProps) {
  return (
    <div class="row between picking">
      <label class="check">
        <input
          type="checkbox"
          checked={picked.length === rows.length}
          indeterminate={picked.length > 0 && picked.length < rows.length}
          onChange={(event) => pick(rows.map((row) => row.id), event.currentTarget.checked)}
        />
        {picked.length ? teach("pickedCount", { count: picked.length, all: rows.length }) : teach("pickAll")}
      </label>
      {picked.length > 0 ? (
        <div class="row">
          {actions.map((what) => (
            <button
              key={what}
              type="button"
              class={what === "remove" ? "plain small warn" : what === "approve" ? "primary small" : "plain small"}
              onClick={() => void decide(picked, what)}
            >
              {teach(`${what}Picked`, { count: picked.length })}
            </button>
          ))}
        </div>
      ) : (
        <p class="hint keys-hint">{teach("reviewKeys")}</p>
      )}
    </div>
  );
}

const isPossible = (state: State, what: "approve" | "reject" | "remove"): boolean =>
  state !== "removed" && !(what === "approve" && state === "approved") && !(what === "reject" && state === "rejected");
