// Above the conversation: title, rating, sharing and export, and the switches of the two side panels.
import { useLayoutEffect, useState } from "preact/hooks";
import { Icon } from "../../parts/icons";
import { report } from "../../parts/notices";
import { LearningNote, SharingDialog } from "./sharing";
import { chat, messages, model, type OpenChat, rateChat, running } from "./state";
import { say } from "./words";

interface Props {
  isHistoryOpen: boolean;
  isPanelOpen: boolean;
  onHistory: () => void;
  onPanel: () => void;
}

export function ChatHead({ isHistoryOpen, isPanelOpen, onHistory, onPanel }: Props) {
  const [ratedIn, setRatedIn] = useState<string | null>(null);
  const isWriting = running.value !== null;
  useLayoutEffect(() => {
    if (isWriting) setRatedIn(null); // the person went on
  }, [isWriting]);
  return (
    <header class="chat-head">
      <button
        type="button"
        class="quiet square"
        aria-label={say("chats")}
        title={say("chats")}
        aria-expanded={isHistoryOpen}
        onClick={onHistory}
      >
        <Icon name="history" />
      </button>
      <h1>{chat.value?.title || say("newChat")}</h1>
      {chat.value && messages.value.length > 1 && (
        <ChatActions chat={chat.value} onRated={() => setRatedIn(chat.value?.id ?? null)} />
      )}
      <button
        type="button"
        class="plain small chat-model"
        aria-label={`${say("settings")}: ${model.value?.id ?? ""}`}
        aria-expanded={isPanelOpen}
        onClick={onPanel}
      >
        <span>{model.value?.id ?? say("settings")}</span>
        <Icon name="sliders" />
      </button>
      {chat.value?.rating && chat.value.id === ratedIn && (
        <div class="rated">
          <LearningNote judged="rating" />
          <button type="button" class="quiet small square" aria-label={say("close")} onClick={() => setRatedIn(null)}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </header>
  );
}

function ChatActions({ chat, onRated }: { chat: OpenChat; onRated: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const { rating } = chat;
  const state = chat.shared || chat.consent ? "isShared" : "isPrivate";
  const rate = (value: "good" | "bad") => rateChat(rating === value ? null : value).then(onRated).catch(report);
  return (
    <div class="chat-actions">
      <div class="rate" role="group" aria-label={say("rateChat")} title={say("rateChat")}>
        <button
          type="button"
          class="quiet small square"
          aria-label={say("rateGood")}
          aria-pressed={rating === "good"}
          onClick={() => void rate("good")}
        >
          <Icon name="up" filled={rating === "good"} />
        </button>
        <button
          type="button"
          class="quiet small square"
          aria-label={say("rateBad")}
          aria-pressed={rating === "bad"}
          onClick={() => void rate("bad")}
        >
          <Icon name="down" filled={rating === "bad"} />
        </button>
      </div>
      <button
        type="button"
        class="quiet small sharing-button"
        aria-label={`${say("sharing")}: ${say(state)}`}
        title={say("sharing")}
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        <Icon name={state === "isPrivate" ? "lock" : "unlock"} />
        <span>{say(state)}</span>
      </button>
      {isOpen && <SharingDialog chat={chat} onClose={() => setOpen(false)} />}
    </div>
  );
}
