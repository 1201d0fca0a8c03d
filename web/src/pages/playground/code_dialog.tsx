// The request behind the page, as curl and as Python.
import { useState } from "preact/hooks";
import { publicAddress } from "../../api";
import { CopyButton } from "../../parts/copy";
import { Dialog } from "../../parts/dialog";
import { asCurl, asPython } from "./code";
import { fewShotPrompt } from "./prompts";
import { mode, modelOf, prompt, sampling, shots } from "./state";
import { say } from "./words";

export function CodeDialog({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<"curl" | "python">("python");
  const text = mode.value === "text" ? prompt.value : fewShotPrompt(shots.value, shots.value.examples.length);
  const request = { model: modelOf(0), prompt: text, ...sampling.value };
  const code = (kind === "curl" ? asCurl : asPython)(publicAddress(), request);
  return (
    <Dialog class="wide" title={say("viewCode")} close={say("close")} onClose={onClose}>
      <div class="code-tabs">
        <div class="segments" role="group" aria-label={say("viewCode")}>
          {(["python", "curl"] as const).map((one) => (
            <button key={one} type="button" aria-pressed={kind === one} onClick={() => setKind(one)}>
              {say(one)}
            </button>
          ))}
        </div>
        <CopyButton text={() => code} label={say("copy")} done={say("copied")} class="plain small" wordy />
      </div>
      <pre class="code-listing" tabIndex={0}>
        {code}
      </pre>
    </Dialog>
  );
}
