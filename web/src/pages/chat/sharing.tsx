// Who else may read this chat or learn from it, and the chat as a file. Nothing is shared until its owner says so.
import { useState } from "preact/hooks";
import { addressOf } from "../../api";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { report } from "../../parts/notices";
import { changeSharing, chat, type OpenChat } from "./state";
import { say } from "./words";

type Shared = "shared" | "consent";

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

function Switch({ what, isOn }: { what: Shared; isOn: boolean }) {
  return (
    <label class="switch-row">
      <span class="switch-text">
        <span class="switch-name">{say(`${what}Name`)}</span>
        <span class="hint" id={`${what}-more`}>
          {say(`${what}More`)}
        </span>
      </span>
      <Toggle what={what} isOn={isOn} more={`${what}-more`} />
    </label>
  );
}

/** Where something is judged: whether anything is learned from that, and the switch which decides it. */
export function LearningNote({ judged }: { judged: "choice" | "rating" }) {
  const isOn = chat.value?.consent ?? false;
  const more = `${judged}-consent-more`;
  return (
    <p class="learning-note">
      <span role="status">{say(isOn ? `${judged}Teaches` : `${judged}Private`)}</span>
      <label title={say("consentMore")}>
        <Toggle what="consent" isOn={isOn} more={more} />
        {say("consentName")}
      </label>
      <span class="hint" id={more} hidden={isOn}>
        {say("consentShort")}
      </span>
    </p>
  );
}

/** `more`: the id of what describes it. */
function Toggle({ what, isOn, more }: { what: Shared; isOn: boolean; more: string }) {
  const [isBusy, setBusy] = useState(false);
  const toggle = () => {
    setBusy(true);
    changeSharing({ [what]: !isOn })
      .catch(report)
      .finally(() => setBusy(false));
  };
  return (
    <input
      type="checkbox"
      role="switch"
      aria-label={say(`${what}Name`)}
      aria-describedby={more}
      checked={isOn}
      disabled={isBusy}
      onClick={(event) => {
        event.preventDefault(); // it turns when the server has agreed
        toggle();
      }}
    />
  );
}
