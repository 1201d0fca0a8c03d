// One turn on screen, with what can be done to it.
import { useMemo, useState } from "preact/hooks";
import type { Message, Thumb } from "../../api";
import { CopyButton } from "../../parts/copy";
import { Icon } from "../../parts/icons";
import { Markdown } from "../../parts/markdown";
import { report } from "../../parts/notices";
import { go } from "../../router";
import { toComposer } from "./composer";
import { FeedbackForm } from "./feedback";
import { answer, chat, compareVersions, editMessage, giveFeedback, messages, path, running, showVersion } from "./state";
import { draftsOf, versionsOf } from "./tree";
import { say } from "./words";

export function Turn({ message }: { message: Message }) {
  const [isEditing, setEditing] = useState(false);
  const [asking, setAsking] = useState<Thumb | null>(null);
  const isWriting = running.value?.ids.includes(message.id) ?? false;
  const isPerson = message.role === "user";
  if (isEditing) return <Editor message={message} onDone={() => setEditing(false)} />;
  return (
    <article class={isPerson ? "turn person" : "turn assistant"} aria-label={isPerson ? say("you") : say("assistant")}>
      {!isPerson && <Writer message={message} isWriting={isWriting} />}
      <div class="turn-text">
        {isPerson ? <p class="as-typed">{message.content}</p> : <Answer text={message.content} isWriting={isWriting} />}
      </div>
      {!isWriting && <Ending reason={message.finish_reason} />}
      {!isWriting && (
        <Actions
          message={message}
          onEdit={() => setEditing(true)}
          asking={asking}
          onThumb={(thumb) => void rate(message, thumb, setAsking)}
        />
      )}
      {asking && <FeedbackForm message={message} thumb={asking} onClose={() => setAsking(null)} />}
    </article>
  );
}

async function rate(message: Message, thumb: Thumb, ask: (thumb: Thumb | null) => void): Promise<void> {
  const isOff = message.feedback?.thumb === thumb;
  const old = message.feedback;
  try {
    // The thumb counts at once; reasons are welcome, not demanded. Consent is as for the chat, until said otherwise.
    await giveFeedback(message, {
      thumb: isOff ? null : thumb,
      reasons: [],
      comment: isOff ? "" : (old?.comment ?? ""),
      consent: isOff ? false : (old?.consent ?? chat.value?.consent ?? false),
    });
    ask(isOff ? null : thumb);
  } catch (error) {
    report(error);
  }
}

function Writer({ message, isWriting }: { message: Message; isWriting: boolean }) {
  return (
    <div class="turn-writer">
      <span>{message.model ?? say("assistant")}</span>
      {isWriting && (
        <span class="dots" role="img" aria-label={say("writing")}>
          <i />
          <i />
          <i />
        </span>
      )}
    </div>
  );
}

/** Formatting costs time: an answer that did not change is left alone while another one streams. */
function Answer({ text, isWriting }: { text: string; isWriting: boolean }) {
  const copy = say("copy");
  const copied = say("copied");
  // Not `memo`: it is in preact/compat, which makes every onChange of the whole app an onInput.
  const shown = useMemo(() => <Markdown text={text} copy={copy} copied={copied} />, [text, copy, copied]);
  return <div class={isWriting ? "writing" : ""}>{shown}</div>;
}

export function Ending({ reason }: { reason: string | null }) {
  if (reason === "length") return <p class="hint">{say("cut")}</p>;
  if (reason === "cancelled") return <p class="hint">{say("cancelled")}</p>;
  if (reason === "content_filter") return <p class="hint">{say("filtered")}</p>;
  return null;
}

interface ActionsProps {
  message: Message;
  asking: Thumb | null;
  onEdit: () => void;
  onThumb: (thumb: Thumb) => void;
}

function Actions({ message, asking, onEdit, onThumb }: ActionsProps) {
  const isBusy = running.value !== null;
  const thumb = message.feedback?.thumb;
  return (
    <div class="turn-actions">
      <Versions message={message} />
      <CopyButton
        text={() => message.content}
        label={say("copyMessage")}
        done={say("copied")}
        class="quiet small square"
      />
      <IconButton name="pencil" label={say("edit")} disabled={isBusy} onClick={onEdit} />
      {message.role === "assistant" && (
        <>
          <IconButton
            name="redo"
            label={say("regenerate")}
            disabled={isBusy || message.parent === null}
            onClick={() => message.parent !== null && void answer(message.parent, 1)}
          />
          <IconButton
            name="up"
            label={say("good")}
            pressed={thumb === "up"}
            expanded={asking === "up"}
            onClick={() => onThumb("up")}
          />
          <IconButton
            name="down"
            label={say("bad")}
            pressed={thumb === "down"}
            expanded={asking === "down"}
            onClick={() => onThumb("down")}
          />
          <IconButton
            name="look"
            label={say("lookInside")}
            disabled={isBusy || !chat.value}
            onClick={() => chat.value && go("explain", { chat: chat.value.id, message: message.id })}
          />
        </>
      )}
    </div>
  );
}

interface IconButtonProps {
  name: Parameters<typeof Icon>[0]["name"];
  label: string;
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
  expanded?: boolean;
}

function IconButton({ name, label, onClick, disabled = false, pressed, expanded }: IconButtonProps) {
  return (
    <button
      type="button"
      class="quiet small square"
      aria-label={label}
      title={label}
      disabled={disabled}
      aria-pressed={pressed}
      aria-expanded={expanded}
      onClick={onClick}
    >
      <Icon name={name} filled={pressed ?? false} />
    </button>
  );
}

function Versions({ message }: { message: Message }) {
  const { all, place } = versionsOf(messages.value, message);
  if (all.length < 2) return null;
  const step = (by: number) => {
    const other = all[place + by];
    if (other) showVersion(other);
  };
  const isBusy = running.value !== null;
  return (
    <span class="versions">
      <IconButton name="left" label={say("earlier")} disabled={isBusy || place === 0} onClick={() => step(-1)} />
      <span class="numbers" role="img" aria-label={say("version", { place: place + 1, count: all.length })}>
        {place + 1}/{all.length}
      </span>
      <IconButton
        name="right"
        label={say("later")}
        disabled={isBusy || place === all.length - 1}
        onClick={() => step(1)}
      />
      <Compare message={message} />
    </span>
  );
}

/** Under the newest answer only: the board stands in the place of all that follows. */
function Compare({ message }: { message: Message }) {
  const count = draftsOf(messages.value, message).length;
  if (!count || path.value.at(-1)?.id !== message.id) return null;
  return (
    <button
      type="button"
      class="quiet small compare"
      title={say("compareMore", { count })}
      disabled={running.value !== null}
      onClick={() => compareVersions(message)}
    >
      <Icon name="drafts" />
      {say("compare")}
    </button>
  );
}

function Editor({ message, onDone }: { message: Message; onDone: () => void }) {
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget as HTMLFormElement).get("text")).trim();
    onDone();
    toComposer();
    if (text && text !== message.content) void editMessage(message, text);
  };
  return (
    <form
      class="turn editor card"
      onSubmit={onSubmit}
      onKeyDown={(event) => {
        if (event.key === "Escape") onDone();
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
      }}
    >
      <textarea
        name="text"
        aria-label={say("editMessage")}
        defaultValue={message.content}
        rows={Math.min(12, message.content.split("\n").length + 2)}
        autofocus
        ref={(area) => area?.focus()}
      />
      <div class="dialog-actions">
        <button type="button" class="plain" onClick={onDone}>
          {say("cancel")}
        </button>
        <button type="submit" class="primary">
          {message.role === "user" ? say("editAndSend") : say("editAndKeep")}
        </button>
      </div>
    </form>
  );
}
