// Who else may read this chat or learn from it, and the chat as a file. Nothing is shared until its owner says so.
import { useState } from "preact/hooks";
import { addressOf } from "../../api";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { report } from "../../parts/notices";
import { changeSharing, type OpenChat } from "./state";
import { say } from "./words";

export function SharingDialog({ chat, onClose }: { chat: OpenChat; onClose: () => void }) {
  const fileOf = (format: "markdown" | "json") =>
    addressOf("/api/v1/chats/{chat}/export", { path: { chat: chat.id }, query: { format } });
  return (
    <Dialog title={say("sharing")} close={say("close")} onClose={onClose}>
      <p class="hint">{say("sharingLead")}</p>
      <div class="sharing-switches">
        <Switch what="shared" isOn={chat.shared} />
        <Switch what="consent" isOn={chat.consent} />
      </div>
      <div class="sharing-export">
        <h3>{say("export")}</h3>
        <a class="plain small" href={fileOf("markdown")} download="" aria-label={say("exportMarkdown")}>
          <Icon name="download" />
          Markdown
        </a>
        <a class="plain small" href={fileOf("json")} download="" aria-label={say("exportJson")}>
          <Icon name="download" />
          JSON
        </a>
      </div>
    </Dialog>
  );
}

function Switch({ what, isOn }: { what: "shared" | "consent"; isOn: boolean }) {
  const [isBusy, setBusy] = useState(false);
  const toggle = () => {
    setBusy(true);
    changeSharing({ [what]: !isOn })
      .catch(report)
      .finally(() => setBusy(false));
  };
  return (
    <label class="switch-row">
      <span class="switch-text">
        <span class="switch-name">{say(`${what}Name`)}</span>
        <span class="hint" id={`${what}-more`}>
          {say(`${what}More`)}
        </span>
      </span>
      <input
        type="checkbox"
        role="switch"
        aria-label={say(`${what}Name`)}
        aria-describedby={`${what}-more`}
        checked={isOn}
        disabled={isBusy}
        onClick={(event) => {
          event.preventDefault(); // it turns when the server has agreed
          toggle();
        }}
      />
    </label>
  );
}
