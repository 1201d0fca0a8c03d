// The playground: free text or few-shot at the left, settings and the next token's distribution at the right.
import { useEffect, useState } from "preact/hooks";
import { Dialog } from "../../parts/dialog";
import { Icon } from "../../parts/icons";
import { SamplingControls } from "../../parts/sampling_controls";
import { language } from "../../preferences";
import { writingModels } from "../../session";
import { CodeDialog } from "./code_dialog";
import { Completion } from "./completion";
import { Distribution } from "./distribution";
import { FewShot } from "./few_shot";
import { LEVELS } from "./maths";
import { type Preset, PRESETS } from "./presets";
import {
  chosenModels,
  clear,
  columns,
  compareShots,
  hasColours,
  isPair,
  isRunning,
  keep,
  mode,
  modelOf,
  prompt,
  run,
  sampling,
  shots,
  stop,
} from "./state";
import { say } from "./words";
import "./playground.css";

export default function PlaygroundPage() {
  const [dialog, setDialog] = useState<"code" | "gallery" | null>(null);
  useEffect(() => stop, []); // leaving the page frees the server
  const isText = mode.value === "text";
  return (
    <div class="playground">
      <div class="playground-main">
        <header class="page-head">
          <div>
            <h1>{say("heading")}</h1>
            <p>{say("lead")}</p>
          </div>
          <div class="page-tools">
            <button type="button" class="plain small" onClick={() => setDialog("gallery")}>
              {say("gallery")}
            </button>
            <button type="button" class="plain small" onClick={() => setDialog("code")}>
              <Icon name="code" />
              {say("viewCode")}
            </button>
          </div>
        </header>
        <div class="playground-mode">
          <div class="segments" role="group" aria-label={say("mode")}>
            <button type="button" aria-pressed={isText} onClick={() => (mode.value = "text")}>
              {say("freeText")}
            </button>
            <button type="button" aria-pressed={!isText} onClick={() => (mode.value = "shots")}>
              {say("fewShot")}
            </button>
          </div>
          <Models />
        </div>
        {isText ? <PromptField /> : <FewShot />}
        <div class="playground-run">
          {isRunning.value ? (
            <button type="button" class="primary" onClick={stop}>
              <Icon name="stop" filled />
              {say("stop")}
            </button>
          ) : (
            <button
              type="button"
              class="primary"
              disabled={!writingModels.value.length}
              onClick={isText ? run : compareShots}
            >
              {isText ? say("write") : say("compareShots")}
            </button>
          )}
          <Legend />
        </div>
        {columns.value.length ? (
          <div class="completions" data-count={columns.value.length}>
            {columns.value.map((column) => (
              <Completion key={column.id} column={column} />
            ))}
          </div>
        ) : (
          <p class="hint playground-nothing">{writingModels.value.length ? say("nothingYet") : say("noModel")}</p>
        )}
      </div>
      <aside class="playground-side" aria-label={say("settings")}>
        <Distribution />
        <SamplingControls
          sampling={sampling.value}
          onChange={(changed) => {
            sampling.value = changed;
            keep();
          }}
        />
      </aside>
      {dialog === "code" && <CodeDialog onClose={() => setDialog(null)} />}
      {dialog === "gallery" && <Gallery onClose={() => setDialog(null)} />}
    </div>
  );
}

function PromptField() {
  return (
    <textarea
      class="prompt-field"
      rows={5}
      aria-label={say("prompt")}
      value={prompt.value}
      onInput={(event) => (prompt.value = event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !isRunning.value) run();
      }}
    />
  );
}

function Models() {
  const canPair = mode.value === "text" && writingModels.value.length > 1;
  return (
    <div class="playground-models">
      <ModelChoice column={0} label={say("model")} />
      {canPair && isPair.value && <ModelChoice column={1} label={say("secondModel")} />}
      {canPair && (
        <button type="button" class="quiet small" aria-pressed={isPair.value} onClick={() => (isPair.value = !isPair.value)}>
          <Icon name="drafts" />
          {say("pair")}
        </button>
      )}
    </div>
  );
}

function ModelChoice({ column, label }: { column: 0 | 1; label: string }) {
  return (
    <select
      aria-label={label}
      value={modelOf(column)}
      onChange={(event) => {
        const chosen: [string, string] = [modelOf(0), modelOf(1)];
        chosen[column] = event.currentTarget.value;
        chosenModels.value = chosen;
      }}
    >
      {writingModels.value.map((model) => (
        <option key={model.id} value={model.id}>
          {model.id}
        </option>
      ))}
    </select>
  );
}

function Legend() {
  return (
    <div class="likelihood">
      <label class="check">
        <input
          type="checkbox"
          checked={hasColours.value}
          onChange={(event) => {
            hasColours.value = event.currentTarget.checked;
            keep();
          }}
        />
        {say("colours")}
      </label>
      {hasColours.value && (
        <span class="legend-scale hint" aria-hidden="true">
          {say("surprising")}
          {[...LEVELS, 1].map((_, level) => (
            <i key={level} class={`level-${level}`} />
          ))}
          {say("certain")}
        </span>
      )}
    </div>
  );
}

function Gallery({ onClose }: { onClose: () => void }) {
  const take = (preset: Preset) => {
    clear();
    const text = preset.text?.[language.value];
    const own = preset.shots?.[language.value];
    if (text !== undefined) prompt.value = text;
    if (own) shots.value = structuredClone(own);
    mode.value = own ? "shots" : "text";
    onClose();
  };
  return (
    <Dialog class="wide" title={say("gallery")} close={say("close")} onClose={onClose}>
      <div class="gallery">
        {PRESETS.map((preset) => (
          <button key={preset.name.en} type="button" class="card gallery-item" onClick={() => take(preset)}>
            <strong>{preset.name[language.value]}</strong>
            <span class="hint">{preset.shots ? say("fewShot") : say("freeText")}</span>
            <span class="gallery-text">
              {preset.text?.[language.value] ?? preset.shots?.[language.value].instruction}
            </span>
          </button>
        ))}
      </div>
    </Dialog>
  );
}
