// The list of chats at the left: search, open, rename, delete.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ChatSummary } from "../../api";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { report } from "../../parts/notices";
import { addressOf, go } from "../../router";
import { chats, deleteChat, hasMore, isLoaded, loadChats, loadMore, renameChat, search } from "./history_state";
import { toComposer } from "./composer";
import { chat, closeChat } from "./state";
import { say } from "./words";
import "./history.css";

const SEARCH_DELAY_MS = 220;

export function History({ onPicked }: { onPicked: () => void }) {
  const [renaming, setRenaming] = useState<ChatSummary | null>(null);
  const [deleting, setDeleting] = useState<ChatSummary | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    loadChats().catch(report);
  }, []);
  const onSearch = (text: string) => {
    search.value = text;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => loadChats().catch(report), SEARCH_DELAY_MS);
  };
  return (
    <>
      <div class="history-head">
        <button
          type="button"
          class="plain"
          onClick={() => {
            closeChat();
            go("chat");
            onPicked();
            toComposer();
          }}
        >
          <Icon name="plus" />
          {say("newChat")}
        </button>
        <div class="history-search">
          <Icon name="search" />
          <input
            type="search"
            aria-label={say("search")}
            placeholder={say("search")}
            value={search.value}
            onInput={(event) => onSearch(event.currentTarget.value)}
          />
        </div>
      </div>
      <ul class="history-list" aria-label={say("chats")}>
        {chats.value.map((one) => (
          <Row key={one.id} one={one} onPicked={onPicked} onRename={setRenaming} onDelete={setDeleting} />
        ))}
      </ul>
      {isLoaded.value && !chats.value.length && (
        <p class="hint history-empty">
          {search.value.trim() ? say("nothingFound", { text: search.value.trim() }) : say("noChats")}
        </p>
      )}
      {hasMore.value && (
        <button type="button" class="quiet" onClick={() => loadMore().catch(report)}>
          {say("more")}
        </button>
      )}
      {renaming && <RenameDialog one={renaming} onClose={() => setRenaming(null)} />}
      {deleting && <DeleteDialog one={deleting} onClose={() => setDeleting(null)} />}
    </>
  );
}

interface RowProps {
  one: ChatSummary;
  onPicked: () => void;
  onRename: (one: ChatSummary) => void;
  onDelete: (one: ChatSummary) => void;
}

function Row({ one, onPicked, onRename, onDelete }: RowProps) {
  const isOpen = chat.value?.id === one.id;
  return (
    <li class={isOpen ? "history-row open" : "history-row"}>
      <a
        href={addressOf("chat", { id: one.id })}
        aria-current={isOpen ? "true" : undefined}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          go("chat", { id: one.id });
          onPicked();
        }}
      >
        {one.title || say("newChat")}
      </a>
      <span class="history-actions">
        <button
          type="button"
          class="quiet small square"
          aria-label={`${say("rename")}: ${one.title}`}
          title={say("rename")}
          onClick={() => onRename(one)}
        >
          <Icon name="pencil" />
        </button>
        <button
          type="button"
          class="quiet small square"
          aria-label={`${say("remove")}: ${one.title}`}
          title={say("remove")}
          onClick={() => onDelete(one)}
        >
          <Icon name="trash" />
        </button>
      </span>
    </li>
  );
}

function RenameDialog({ one, onClose }: { one: ChatSummary; onClose: () => void }) {
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const title = String(new FormData(event.currentTarget as HTMLFormElement).get("title")).trim();
    onClose();
    if (!title || title === one.title) return;
    renameChat(one.id, title)
      .then(() => {
        if (chat.value?.id === one.id) chat.value = { ...chat.value, title };
      })
      .catch(report);
  };
  return (
    <Dialog title={say("renameChat")} close={say("close")} onClose={onClose}>
      <form class="stack" onSubmit={onSubmit}>
        <label>
          <span>{say("title")}</span>
          <input name="title" defaultValue={one.title} maxLength={200} autofocus />
        </label>
        <div class="dialog-actions">
          <button type="button" class="plain" onClick={onClose}>
            {say("cancel")}
          </button>
          <button type="submit" class="primary">
            {say("save")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function DeleteDialog({ one, onClose }: { one: ChatSummary; onClose: () => void }) {
  const confirm = () => {
    onClose();
    deleteChat(one.id)
      .then(() => {
        if (chat.value?.id !== one.id) return;
        closeChat();
        go("chat", {}, true);
      })
      .catch(report);
  };
  return (
    <Dialog title={say("removeChat")} close={say("close")} onClose={onClose}>
      <p>{say("removeLead", { title: one.title })}</p>
      <div class="dialog-actions">
        <button type="button" class="plain" onClick={onClose}>
          {say("cancel")}
        </button>
        <button type="button" class="primary danger" onClick={confirm}>
          {say("remove")}
        </button>
      </div>
    </Dialog>
  );
}
