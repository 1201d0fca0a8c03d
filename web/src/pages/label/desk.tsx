// The task at hand: what was said, what is to be judged or written, and the ways to hand it in.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { Markdown } from "../../parts/markdown";
import type { Said, Task } from "./api";
import { asShown, isAsShown } from "./rank";
import { RankBoard } from "./rank_board";
import { TimeOnTask } from "./time_on_task";
import { change, draft, isSending, missing, saving, skip, submit } from "./state";
import { categoryName, flagName, say } from "./words";

export function Desk({ task }: { task: Task }) {
  const [asking, setAsking] = useState<"skip" | "flag" | "order" | null>(null);
  const [told, setTold] = useState(false);
  const box = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    setTold(false);
    setAsking(null);
    box.current?.focus({ preventScroll: true });
    scrollTo({ top: 0 });
  }, [task.id, task.submission]);
  const gap = missing();
  const handIn = () => {
    if (gap) setTold(true);
    else if (task.kind === "rank" && isAsShown(draft.value)) setAsking("order");
    else void submit();
  };
  return (
    <section
      ref={box}
      class="desk"
      tabIndex={-1}
      aria-label={say(task.kind)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        handIn();
      }}
    >
      <header class="desk-head">
        <div>
          <h2 class="display">{say(task.kind)}</h2>
          <p class="hint">{say(`${task.kind}Lead`)}</p>
        </div>
        {task.category && <span class="badge">{categoryName(task.category)}</span>}
      </header>
      {task.brief && <p class="brief card">{task.brief}</p>}
      <Talk messages={task.messages} />
      <Work task={task} />
      <label class="comment-field">
        <span>{say("comment")}</span>
        <input
          maxLength={2000}
          value={draft.value.comment}
          onInput={(event) => change({ comment: event.currentTarget.value })}
        />
      </label>
      {told && gap && (
        <p class="failure" role="alert">
          {say(gap)}
        </p>
      )}
      <footer class="desk-foot">
        <button type="button" class="primary" disabled={isSending.value} onClick={handIn}>
          <Icon name="check" />
          {isSending.value ? say("sending") : say("handIn")}
        </button>
        {task.kind === "rank" && (
          <button type="button" class="plain" disabled={isSending.value} onClick={() => void submit({ all_bad: true })}>
            {say("allBad")}
          </button>
        )}
        {JUDGING.includes(task.kind) && (
          <button type="button" class="plain" disabled={isSending.value} onClick={() => void submit({ cannot_judge: true })}>
            {say("cannotJudge")}
          </button>
        )}
        <button type="button" class="quiet" onClick={() => setAsking("skip")}>
          {say("skip")}
        </button>
        <button type="button" class="quiet" onClick={() => setAsking("flag")}>
          {say("flag")}
        </button>
        <span class="hint saving">
          <TimeOnTask />
          <span role="status">{say(saving.value)}</span>
        </span>
      </footer>
      {asking === "order" && (
        <Dialog title={say("untouched")} close={say("close")} onClose={() => setAsking(null)}>
          <p>{say("untouchedMore")}</p>
          <div class="dialog-actions">
            <button type="button" class="plain" onClick={() => setAsking(null)}>
              {say("goOnSorting")}
            </button>
            <button type="button" class="primary" onClick={() => void submit()}>
              {say("asMeant")}
            </button>
          </div>
        </Dialog>
      )}
      {(asking === "skip" || asking === "flag") && <Reason what={asking} onClose={() => setAsking(null)} />}
    </section>
  );
}

function Reason({ what, onClose }: { what: "skip" | "flag"; onClose: () => void }) {
  const isFlag = what === "flag";
  return (
    <Dialog title={say(isFlag ? "flagTitle" : "skipTitle")} close={say("close")} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          const reason = String(new FormData(event.currentTarget as HTMLFormElement).get("reason")).trim();
          onClose();
          void (isFlag ? submit({ flagged: reason }) : skip(reason));
        }}
      >
        <p class="hint">{say(isFlag ? "flagMore" : "skipMore")}</p>
        <label>
          <span>{say("reason")}</span>
          <input name="reason" maxLength={500} required={isFlag} />
        </label>
        <div class="dialog-actions">
          <button type="submit" class="primary">
            {say(what)}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function Talk({ messages }: { messages: Said[] }) {
  if (!messages.length) return null;
  return (
    <div class="talk" role="group" aria-label={say("conversation")}>
      {messages.map((message, at) => (
        <div key={at} class={`talk-turn ${message.role === "user" ? "person" : message.role}`}>
          <span class="field-name">{roleName(message.role)}</span>
          {message.role === "assistant" ? (
            <Markdown text={message.content} copy={say("copy")} copied={say("copied")} />
          ) : (
            <p class="as-typed">{message.content}</p>
          )}
        </div>
      ))}
    </div>
  );
}

function roleName(role: string): string {
  if (role === "user") return say("user");
  return role === "assistant" ? say("assistant") : say("system");
}

function Work({ task }: { task: Task }) {
  if (task.kind === "rank") return <Rank task={task} />;
  if (task.kind === "rate_answer") return <RateAnswer task={task} />;
  if (task.kind === "rate_chat") return <RateChat />;
  return <Write task={task} />;
}

function Rank({ task }: { task: Task }) {
  const { order, ties } = draft.value;
  return (
    <>
      <div class="row between">
        <p class="hint" id="rank-keys">
          {say("rankKeys")}
        </p>
        <button type="button" class="quiet small" disabled={isAsShown({ order, ties })} onClick={() => change(asShown(task.answers.length))}>
          {say("startAgain")}
        </button>
      </div>
      <p class="rank-end">{say("bestAbove")}</p>
      <RankBoard answers={task.answers} ranking={{ order, ties }} onChange={change} />
      <p class="rank-end">{say("worstBelow")}</p>
    </>
  );
}

const JUDGING: Task["kind"][] = ["rank", "rate_answer", "rate_chat"];
const SEVEN = [1, 2, 3, 4, 5, 6, 7];

function RateAnswer({ task }: { task: Task }) {
  const { rating, flags } = draft.value;
  return (
    <>
      <article class="card judged" aria-label={say("answer")}>
        <Markdown text={task.answers[0] ?? ""} copy={say("copy")} copied={say("copied")} />
      </article>
      <fieldset class="seven">
        <legend class="field-name">{say("quality")}</legend>
        <div class="seven-row">
          {SEVEN.map((value) => (
            <label key={value}>
              <input
                type="radio"
                name="rating"
                value={value}
                checked={rating === value}
                onChange={() => change({ rating: value })}
              />
              <span class="numbers">{value}</span>
            </label>
          ))}
        </div>
        <p class="hint seven-ends">
          <span>{say("terrible")}</span>
          <span>{say("excellent")}</span>
        </p>
      </fieldset>
      <fieldset class="flags">
        <legend class="field-name">{say("flagsLegend")}</legend>
        {task.flags.map((flag) => (
          <label key={flag} class="check">
            <input
              type="checkbox"
              checked={flags.includes(flag)}
              onChange={(event) =>
                change({ flags: event.currentTarget.checked ? [...flags, flag] : flags.filter((one) => one !== flag) })
              }
            />
            {flagName(flag)}
          </label>
        ))}
      </fieldset>
    </>
  );
}

function RateChat() {
  const { good } = draft.value;
  return (
    <div class="good-or-bad" role="group" aria-label={say("rate_chat")}>
      <button type="button" class="plain" aria-pressed={good === true} onClick={() => change({ good: true })}>
        <Icon name="up" filled={good === true} />
        {say("goodChat")}
      </button>
      <button type="button" class="plain" aria-pressed={good === false} onClick={() => change({ good: false })}>
        <Icon name="down" filled={good === false} />
        {say("badChat")}
      </button>
    </div>
  );
}

function Write({ task }: { task: Task }) {
  const { text } = draft.value;
  return (
    <label class="written">
      <span>{say(task.kind === "prompt" ? "yourPrompt" : "yourAnswer")}</span>
      <textarea
        rows={task.kind === "prompt" ? 6 : 10}
        maxLength={20_000}
        value={text}
        onInput={(event) => change({ text: event.currentTarget.value })}
      />
    </label>
  );
}
