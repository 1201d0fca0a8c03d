// Model, system prompt and sampling of the chat.
import { report } from "../../parts/notices";
import { SamplingControls } from "../../parts/sampling_controls";
import { chatModels } from "../../session";
import { changeSettings, changeSystem, model, settings, system } from "./state";
import { say } from "./words";

export function SettingsPanel() {
  return (
    <div class="stack">
      <label>
        <span>{say("model")}</span>
        <select value={model.value?.id ?? ""} onChange={(event) => changeSettings({ model: event.currentTarget.value })}>
          {chatModels.value.map((one) => (
            <option key={one.id} value={one.id}>
              {one.stage && !one.id.includes(one.stage) ? `${one.id} (${say("stage", { stage: one.stage })})` : one.id}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>{say("systemPrompt")}</span>
        <textarea
          rows={4}
          value={system.value}
          onChange={(event) => changeSystem(event.currentTarget.value).catch(report)}
        />
        <span class="hint">{say("systemHint")}</span>
      </label>
      <SamplingControls
        sampling={settings.value.sampling}
        onChange={(sampling) => changeSettings({ sampling })}
      />
    </div>
  );
}
