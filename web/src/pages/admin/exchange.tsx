// Feedback as files, out and in; which runs learned from how much of it; chats that their owners let admins read.
import { useState } from "preact/hooks";
import { explain } from "../../api";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { useLoaded } from "../../parts/loaded";
import { number } from "../../words";
import { type Added, FORMATS, office, save } from "./api";
import { Said } from "./row_card";
import { teach } from "./teaching_words";
import { moment, say } from "./words";
import { useWork } from "./working";

export function Exchange() {
  const [turn, setTurn] = useState(0);
  return (
    <>
      <div class="pair">
        <ExportBox />
        <ImportBox onDone={() => setTurn(turn + 1)} />
      </div>
      <Trained turn={turn} />
      <SharedChats />
    </>
  );
}

function ExportBox() {
  const [withSimulated, setWith] = useState(true);
  const [isBusy, work] = useWork();
  return (
    <section class="card box" aria-label={teach("exportFeedback")}>
      <h2>{teach("exportFeedback")}</h2>
      <p class="hint">{teach("exportMore")}</p>
      <label class="check">
        <input type="checkbox" checked={withSimulated} onChange={(event) => setWith(event.currentTarget.checked)} />
        <span class="plain-text">{teach("withSimulated")}</span>
      </label>
      <ul class="lines">
        {FORMATS.map((format) => (
          <li key={format} class="line">
            <div class="line-text">
              <p class="line-name">{teach(`format_${format}`)}</p>
              <p class="hint">{teach(`format_${format}_more`)}</p>
            </div>
            <div class="line-actions">
              <button
                type="button"
                class="plain small"
                disabled={isBusy}
                aria-label={teach("downloadFormat", { format: teach(`format_${format}`) })}
                onClick={() => void work(() => save(office.exportFeedback(format, withSimulated)))}
              >
                <Icon name="download" />
                {teach("download")}
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function ImportBox({ onDone }: { onDone: () => void }) {
  const [result, setResult] = useState<Added | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    const fields = new FormData(form);
    const file = fields.get("file");
    if (!(file instanceof File)) return;
    setBusy(true);
    setResult(null);
    setFailure(null);
    try {
      const simulated = fields.get("simulated") === "on";
      setResult(await office.importFeedback({ content: await file.text(), name: file.name, simulated }));
      form.reset();
      onDone();
    } catch (error) {
      setFailure(explain(error)); // it names the line of the file: worth more than a few seconds' notice
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class="card box" aria-label={teach("importFeedback")}>
      <h2>{teach("importFeedback")}</h2>
      <p class="hint">{teach("importMore")}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <label>
          <span>{teach("file")}</span>
          <input name="file" type="file" accept=".jsonl,.json,.csv" required />
        </label>
        <label class="check">
          <input type="checkbox" name="simulated" />
          <span class="plain-text">{teach("areSimulated")}</span>
        </label>
        {failure && (
          <p class="failure" role="alert">
            {failure}
          </p>
        )}
        {result && (
          <p class="note" role="status">
            {teach("imported", { count: result.new, known: result.known })}
          </p>
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy}>
            {teach("import")}
          </button>
        </div>
      </form>
    </section>
  );
}

function Trained({ turn }: { turn: number }) {
  const found = useLoaded(() => office.trainedRuns(), [turn]);
  const runs = found.value ?? [];
  return (
    <section class="card box" aria-label={teach("trained")}>
      <h2>{teach("trained")}</h2>
      <p class="hint">{teach("trainedMore")}</p>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !runs.length && <p class="empty">{teach("noneTrained")}</p>}
      {runs.length > 0 && (
        <div class="scroll" tabIndex={0} role="group" aria-label={teach("trained")}>
          <table class="listing">
            <thead>
              <tr>
                <th scope="col">{teach("run")}</th>
                <th scope="col" class="amount">
                  {teach("rowsLearned")}
                </th>
                <th scope="col" class="amount">
                  {teach("rowsGone")}
                </th>
              </tr>
            </thead>
            <tbody>
              {runs.map((one) => (
                <tr key={one.run}>
                  <th scope="row">
                    <bdi>{one.run}</bdi>{" "}
                    <span class={one.removed ? "badge bad" : "badge good"}>{teach(one.removed ? "wantsTraining" : "upToDate")}</span>
                  </th>
                  <td class="amount">{number(one.rows)}</td>
                  <td class="amount">{number(one.removed)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function SharedChats() {
  const found = useLoaded(() => office.sharedChats(), []);
  const [opened, setOpened] = useState<string | null>(null);
  const chats = found.value ?? [];
  return (
    <section class="card box" aria-label={teach("sharedChats")}>
      <h2>{teach("sharedChats")}</h2>
      <p class="hint">{teach("sharedChatsMore")}</p>
      {found.failure && <p class="failure">{found.failure}</p>}
      {found.value && !chats.length && <p class="empty">{teach("noShared")}</p>}
      <ul class="lines">
        {chats.map((chat) => (
          <li key={chat.id} class="line">
            <div class="line-text">
              <p class="line-name">
                <bdi class="cut">{chat.title || teach("untitled")}</bdi>
              </p>
              <p class="hint">{[chat.model, moment(chat.updated_at)].filter(Boolean).join(" · ")}</p>
            </div>
            <div class="line-actions">
              <button
                type="button"
                class="quiet small"
                aria-label={teach("actOn", { action: teach("read"), title: chat.title })}
                onClick={() => setOpened(chat.id)}
              >
                {teach("read")}
              </button>
            </div>
          </li>
        ))}
      </ul>
      {opened && <SharedChatDialog id={opened} onClose={() => setOpened(null)} />}
    </section>
  );
}

function SharedChatDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const found = useLoaded(() => office.sharedChat(id), [id]);
  const chat = found.value;
  return (
    <Dialog title={chat?.title || teach("sharedChat")} close={say("close")} onClose={onClose} class="wide">
      {found.failure && <p class="failure">{found.failure}</p>}
      <div class="feedback-content">
        {chat?.system && <Said who={teach("system")} text={chat.system} />}
        {chat?.messages.map((message) => (
          <Said
            key={message.id}
            who={teach(message.role === "user" ? "asked" : "answered")}
            text={message.content}
            class={message.role === "user" ? "asked" : ""}
          />
        ))}
      </div>
    </Dialog>
  );
}
