// The chat page: history at the left, the conversation, settings at the right. On a phone both sides are drawers.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "../../parts/dialog";
import { report } from "../../parts/notices";
import { useWidth } from "../../parts/width";
import { go, place } from "../../router";
import { chatModels } from "../../session";
import { ChatHead } from "./chat_head";
import { Composer } from "./composer";
import { DraftBoard } from "./drafts";
import { History } from "./history";
import { Turn } from "./message";
import { SettingsPanel } from "./settings_panel";
import { answer, chat, closeChat, drafts, model, openChat, path, picks, running, sendMessage, stopOpening } from "./state";
import { say } from "./words";
import "./chat.css";
import "../../parts/markdown.css";

const NEAR_END_PX = 80;

export default function ChatPage() {
  const isWide = useWidth("(min-width: 64rem)");
  const [isHistoryOpen, setHistory] = useState(isWide);
  const [isPanelOpen, setPanel] = useState(false);
  const [text, setText] = useState("");
  const [count, setCount] = useState(1);
  const id = place.value.query.get("id");
  useLayoutEffect(() => setHistory(isWide), [isWide]);
  useLayoutEffect(() => {
    if (!id) {
      if (chat.value) closeChat();
      return;
    }
    openChat(id).catch((error: unknown) => {
      report(error);
      go("chat", {}, true);
    });
    return stopOpening;
  }, [id]);
  const closeDrawer = () => {
    if (!isWide) setHistory(false);
  };
  const columns = ["chat-page", isWide && isHistoryOpen ? "with-history" : "", isWide && isPanelOpen ? "with-panel" : ""];
  return (
    <div class={columns.join(" ")}>
      {isHistoryOpen &&
        (isWide ? (
          <aside class="history" aria-label={say("chats")}>
            <History onPicked={closeDrawer} />
          </aside>
        ) : (
          <Dialog class="drawer" title={say("chats")} close={say("close")} onClose={() => setHistory(false)}>
            <History onPicked={closeDrawer} />
          </Dialog>
        ))}
      <section class="chat-main">
        <ChatHead
          isHistoryOpen={isHistoryOpen}
          isPanelOpen={isPanelOpen}
          onHistory={() => setHistory(!isHistoryOpen)}
          onPanel={() => setPanel(!isPanelOpen)}
        />
        <Thread onTry={(suggestion) => void sendMessage(suggestion, count)} />
        <Composer text={text} onText={setText} count={count} onCount={setCount} />
      </section>
      {isPanelOpen &&
        (isWide ? (
          <aside class="chat-settings" aria-label={say("settings")}>
            <SettingsPanel />
          </aside>
        ) : (
          <Dialog title={say("settings")} close={say("close")} onClose={() => setPanel(false)}>
            <SettingsPanel />
          </Dialog>
        ))}
    </div>
  );
}

function Thread({ onTry }: { onTry: (text: string) => void }) {
  const scroller = useFollow();
  const board = drafts.value;
  const turns = path.value;
  const boardAt = board ? turns.findIndex((message) => message.parent === board.parent) : -1;
  const shown = boardAt < 0 ? turns : turns.slice(0, boardAt);
  const last = turns.at(-1);
  return (
    <div class="thread" ref={scroller} tabIndex={0} role="log" aria-live="off" aria-label={say("thread")}>
      <div class="thread-content">
        {!turns.length && !id() && <Greeting onTry={onTry} />}
        <div class="thread-turns">
          {shown.map((message) => (
            <Turn key={message.id} message={message} />
          ))}
          {last?.role === "user" && !running.value && (
            <div class="unanswered">
              <p class="hint">{say("unanswered")}</p>
              <button type="button" class="plain small" onClick={() => void answer(last.id, 1)}>
                {say("answerAgain")}
              </button>
            </div>
          )}
          {last?.role === "user" && running.value && <WaitingDots />}
        </div>
        {board && boardAt >= 0 && <DraftBoard board={board} />}
      </div>
    </div>
  );
}

const id = (): string | null => place.value.query.get("id");

function WaitingDots() {
  return (
    <span class="dots waiting-dots" role="img" aria-label={say("writing")}>
      <i />
      <i />
      <i />
    </span>
  );
}

/** Keeps the newest text in view, unless the person scrolled up to read. */
function useFollow() {
  const ref = useRef<HTMLDivElement>(null);
  const isFollowing = useRef(true);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const onScroll = () => {
      isFollowing.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    const observer = new ResizeObserver(() => {
      if (isFollowing.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(element); // a notice, or a long message that is being written, makes it lower
    for (const child of element.children) observer.observe(child);
    return () => {
      element.removeEventListener("scroll", onScroll);
      observer.disconnect();
    };
  }, []);
  const toEnd = () => {
    isFollowing.current = true;
    if (ref.current) ref.current.scrollTop = ref.current.scrollHeight;
  };
  const begun = running.value?.controller;
  useLayoutEffect(() => {
    if (!running.value && !drafts.value) isFollowing.current = false; // who walks through versions stays where they are
  }, [picks.value]);
  useLayoutEffect(toEnd, [chat.value?.id]);
  useLayoutEffect(() => {
    if (begun) toEnd();
  }, [begun]);
  return ref;
}

function Greeting({ onTry }: { onTry: (text: string) => void }) {
  if (!chatModels.value.length) {
    return (
      <div class="greeting">
        <h2>{say("noModel")}</h2>
        <p>{say("noModelMore")}</p>
      </div>
    );
  }
  const suggestions = [say("try1"), say("try2"), say("try3")];
  return (
    <div class="greeting">
      <h2>{say("greeting")}</h2>
      <p>{say("greetingMore", { model: model.value?.id ?? "" })}</p>
      <div class="suggestions">
        {suggestions.map((suggestion) => (
          <button key={suggestion} type="button" class="suggestion card" onClick={() => onTry(suggestion)}>
            {suggestion}
          </button>
        ))}
      </div>
    </div>
  );
}
