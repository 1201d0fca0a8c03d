// Above the conversation: title, rating, export, and the switches of the two side panels.
import { api } from "../../api";
import { Icon } from "../../parts/icons";
import { report } from "../../parts/notices";
import { chat, messages, model, rateChat } from "./state";
import { say } from "./words";

interface Props {
  isHistoryOpen: boolean;
  isPanelOpen: boolean;
  onHistory: () => void;
  onPanel: () => void;
}

export function ChatHead({ isHistoryOpen, isPanelOpen, onHistory, onPanel }: Props) {
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
      {chat.value && messages.value.length > 1 && <ChatActions id={chat.value.id} rating={chat.value.rating} />}
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
    </header>
  );
}

function ChatActions({ id, rating }: { id: string; rating: "good" | "bad" | null }) {
  const rate = (value: "good" | "bad") => rateChat(rating === value ? null : value).catch(report);
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
      <span class="export" role="group" aria-label={say("chatActions")}>
        <a class="quiet small" href={api.exportAddress(id, "markdown")} download="" aria-label={say("exportMarkdown")} title={say("exportMarkdown")}>
          <Icon name="download" />
          Markdown
        </a>
        <a class="quiet small" href={api.exportAddress(id, "json")} download="" aria-label={say("exportJson")} title={say("exportJson")}>
          JSON
        </a>
      </span>
    </div>
  );
}
