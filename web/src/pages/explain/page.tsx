// The explain page: a text at the top, its tokens below, and one look at a time.
import type { ComponentType } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { report } from "../../parts/notices";
import { walk } from "../../parts/roving";
import { type Tab, Tabs } from "../../parts/tabs";
import { place } from "../../router";
import { writingModels } from "../../session";
import { Attention } from "./attention";
import { Embeddings } from "./embeddings";
import { HeadsOff } from "./heads_off";
import { LensTable } from "./lens";
import { NextToken } from "./next_token";
import { Numbers } from "./numbers";
import { PositionsView } from "./positions";
import { Sources } from "./sources";
import {
  chosenModel,
  conversation,
  failure,
  isOpening,
  model,
  open,
  opened,
  selected,
  takeFromChat,
  text,
  view,
  type View,
} from "./state";
import { named } from "./token_name";
import { say } from "./words";
import "../../parts/panels.css";
import "./explain.css";

const VIEWS: Record<View, ComponentType> = {
  attention: Attention,
  numbers: Numbers,
  lens: LensTable,
  next: NextToken,
  sources: Sources,
  heads: HeadsOff,
  embeddings: Embeddings,
  positions: PositionsView,
};

export default function ExplainPage() {
  useEffect(start, []);
  if (!writingModels.value.length) {
    return (
      <section class="door">
        <h1>{say("heading")}</h1>
        <p>{say("noModel")}</p>
      </section>
    );
  }
  return (
    <div class="frame explain">
      <header class="frame-head">
        <div>
          <h1>{say("heading")}</h1>
          <p>{say("lead")}</p>
        </div>
      </header>
      <SubjectForm />
      {failure.value && (
        <p class="failure" role="alert">
          {failure.value}
        </p>
      )}
      {opened.value && <TokenStrip />}
      {opened.value && <Looks />}
    </div>
  );
}

function start(): void {
  const { query } = place.value;
  const chat = query.get("chat");
  const message = query.get("message");
  const given = query.get("text");
  if (chat && message) {
    takeFromChat(chat, message).catch(report);
    return;
  }
  chosenModel.value = query.get("model") ?? chosenModel.value;
  if (given !== null) text.value = given;
  else text.value ||= say("sample");
  if (given !== null || !opened.value) open();
}

function SubjectForm() {
  const taken = conversation.value;
  return (
    <form
      class="explain-subject"
      onSubmit={(event) => {
        event.preventDefault();
        open();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) open();
      }}
    >
      {taken ? (
        <div class="card explain-conversation" role="group" aria-label={say("conversation")}>
          {[...taken.messages, ...(taken.answer ? [{ role: "assistant", content: taken.answer }] : [])].map((turn, at) => (
            <p key={at}>
              <span class="badge">{turn.role}</span> {turn.content}
            </p>
          ))}
        </div>
      ) : (
        <textarea
          rows={3}
          aria-label={say("text")}
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
      )}
      <div class="row">
        <select
          aria-label={say("model")}
          value={model.value}
          onChange={(event) => {
            chosenModel.value = event.currentTarget.value;
            open();
          }}
        >
          {writingModels.value.map((one) => (
            <option key={one.id} value={one.id}>
              {one.id}
            </option>
          ))}
        </select>
        <button type="submit" class="primary" disabled={isOpening.value}>
          {isOpening.value ? say("opening") : say("open")}
        </button>
        {taken && (
          <button type="button" class="plain" onClick={() => (conversation.value = null)}>
            {say("useText")}
          </button>
        )}
        <p class="hint">{say("limit")}</p>
      </div>
    </form>
  );
}

function TokenStrip() {
  const strip = useRef<HTMLDivElement>(null);
  const tokens = opened.value?.tokens ?? [];
  useLayoutEffect(() => {
    const button = strip.current?.querySelector<HTMLElement>("[aria-pressed=true]");
    const box = strip.current;
    if (!button || !box) return;
    const low = button.offsetTop;
    if (low < box.scrollTop || low + button.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = low - 8;
  }, [selected.value, opened.value]);
  return (
    <section aria-label={say("tokens")}>
      <p class="hint explain-facts">
        {say("facts", {
          count: tokens.length,
          layers: opened.value?.layers ?? 0,
          heads: opened.value?.heads ?? 0,
          width: opened.value?.width ?? 0,
        })}
      </p>
      <div
        ref={strip}
        class="token-strip"
        role="group"
        aria-label={say("chooseToken")}
        onKeyDown={(event) => walk(event, strip.current, "button")}
      >
        {tokens.map((token, at) => (
          <button
            key={at}
            type="button"
            class={token.control ? "piece-button control" : "piece-button"}
            tabIndex={at === selected.value ? 0 : -1}
            aria-pressed={at === selected.value}
            aria-label={say("tokenAt", { place: at, text: named(token) })}
            onClick={() => (selected.value = at)}
          >
            {named(token)}
          </button>
        ))}
      </div>
    </section>
  );
}

function Looks() {
  const tabs: Tab<View>[] = (Object.keys(VIEWS) as View[]).map((name) => ({ name, label: say(name) }));
  const Shown = VIEWS[view.value];
  return (
    <Tabs label={say("looks")} tabs={tabs} chosen={view.value} onChoose={(name) => (view.value = name)}>
      <Shown />
    </Tabs>
  );
}
