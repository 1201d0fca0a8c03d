// Blind comparison: two answers to one prompt, side by side; nobody knows whose they are.
import { useLayoutEffect, useState } from "preact/hooks";
import { useLoaded } from "../../parts/loaded";
import { Markdown } from "../../parts/markdown";
import { announce, report } from "../../parts/notices";
import { number } from "../../words";
import { type Comparison, labelling, type Vote } from "./api";
import { Talk } from "./desk";
import { say } from "./words";

const KEYS: Record<string, Vote> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "tie", ArrowDown: "both_bad" };
const VOTES: Vote[] = ["left", "tie", "both_bad", "right"];

export function Compare() {
  const list = useLoaded(() => labelling.comparisons(), []);
  const [chosen, setChosen] = useState<string | null>(null);
  const open = (list.value ?? []).filter((one) => !one.closed);
  const current = open.find((one) => one.id === chosen) ?? open.find((one) => one.voted < one.pairs) ?? open[0];
  if (list.failure) return <p class="failure">{list.failure}</p>;
  if (!list.value) return <p class="hint">{say("loading")}</p>;
  if (!current) return <p class="empty">{say("noComparison")}</p>;
  return (
    <>
      <p class="lead">{say("compareLead")}</p>
      {open.length > 1 && (
        <div class="segments" role="group" aria-label={say("comparison")}>
          {open.map((one) => (
            <button key={one.id} type="button" aria-pressed={one.id === current.id} onClick={() => setChosen(one.id)}>
              {say("comparisonNumber", { id: one.id })}
            </button>
          ))}
        </div>
      )}
      <Voting key={current.id} comparison={current} />
    </>
  );
}

function Voting({ comparison }: { comparison: Comparison }) {
  const [voted, setVoted] = useState(comparison.voted);
  const [isBusy, setBusy] = useState(false);
  const pair = useLoaded(() => labelling.nextPair(comparison.id), [comparison.id]);
  const shown = pair.value;
  const vote = async (choice: Vote) => {
    if (!shown || isBusy || pair.isBusy) return;
    setBusy(true);
    try {
      await labelling.vote(shown.id, choice);
      setVoted((old) => old + 1);
      announce(say("voted"));
      pair.reload();
    } catch (error) {
      report(error); // the pair stays: nothing is lost, the vote can be given again
    } finally {
      setBusy(false);
    }
  };
  // Before the pair is painted: a key pressed the moment one sees it must count for it.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const inControl = (event.target as HTMLElement).closest?.("input, textarea, select, [role=tab], pre, .talk");
      const choice = KEYS[event.key];
      if (inControl || !choice || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      void vote(choice);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
  if (pair.failure) return <p class="failure">{pair.failure}</p>;
  if (!shown) return <p class="empty">{pair.isBusy ? say("loading") : say("allVoted")}</p>;
  return (
    <section class="desk" aria-label={say("compare")}>
      <p class="hint numbers">{say("votedOf", { voted, pairs: comparison.pairs })}</p>
      <Talk messages={shown.prompt} />
      <div class="sides">
        {(["left", "right"] as const).map((side) => (
          <article key={side} class="card judged" aria-label={say(side === "left" ? "leftAnswer" : "rightAnswer")}>
            <span class="field-name">{say(side === "left" ? "leftAnswer" : "rightAnswer")}</span>
            {shown[side].trim() ? (
              <Markdown text={shown[side]} copy={say("copy")} copied={say("copied")} />
            ) : (
              <p class="hint">{say("noAnswer")}</p>
            )}
          </article>
        ))}
      </div>
      <div class="votes" role="group" aria-label={say("whichBetter")}>
        {VOTES.map((choice) => (
          <button
            key={choice}
            type="button"
            class={choice === "left" || choice === "right" ? "primary" : "plain"}
            disabled={isBusy || pair.isBusy}
            onClick={() => void vote(choice)}
          >
            {say(`vote_${choice}`)}
          </button>
        ))}
      </div>
      <p class="hint">{say("voteKeys", { number: number(comparison.pairs) })}</p>
    </section>
  );
}
