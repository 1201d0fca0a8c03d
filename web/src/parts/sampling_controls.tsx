// Sliders with numbers for every sampling setting: used by the chat and the playground.
import { useId } from "preact/hooks";
import type { Sampling } from "../api";
import { dictionary, speaker } from "../words";
import { DEFAULT_SAMPLING, FIELDS, type Field, readNumber, readStops, showStops } from "./sampling_fields";
import "./sampling_controls.css";

const say = speaker(
  dictionary(
    {
      temperature: "Temperature",
      temperatureHint: "0 always takes the likeliest token; 1 samples as the model learned.",
      max_tokens: "Length limit",
      max_tokensHint: "Tokens in an answer at most.",
      top_p: "Top-p",
      top_pHint: "Choose among the likeliest tokens that together have this probability.",
      top_k: "Top-k",
      top_kHint: "Choose among the k likeliest tokens; 0 among all.",
      min_p: "Min-p",
      min_pHint: "Leave out tokens below this share of the likeliest one's probability.",
      presence_penalty: "Presence penalty",
      presence_penaltyHint: "Makes tokens that occurred less likely, once.",
      frequency_penalty: "Frequency penalty",
      frequency_penaltyHint: "Makes tokens less likely each time they occur.",
      repetition_penalty: "Repetition penalty",
      repetition_penaltyHint: "Makes tokens of prompt and answer less likely; 1 is off.",
      seed: "Seed",
      seedHint: "The same number gives the same answer. Empty: a new one each time.",
      stop: "Stop at",
      stopHint: "One text a line; \\n is a line break.",
      more: "Penalties, seed, stop",
      reset: "Reset",
      slider: "{name} slider",
      sampling: "Sampling",
    },
    {
      temperature: "Temperatur",
      temperatureHint: "0 nimmt immer das wahrscheinlichste Token; 1 wählt so, wie das Modell gelernt hat.",
      max_tokens: "Höchstlänge",
      max_tokensHint: "So viele Tokens hat eine Antwort höchstens.",
      top_p: "Top-p",
      top_pHint: "Wählt unter den wahrscheinlichsten Tokens, die zusammen diese Wahrscheinlichkeit haben.",
      top_k: "Top-k",
      top_kHint: "Wählt unter den k wahrscheinlichsten Tokens; 0 unter allen.",
      min_p: "Min-p",
      min_pHint: "Lässt Tokens weg, die unter diesem Anteil des wahrscheinlichsten liegen.",
      presence_penalty: "Abzug fürs Vorkommen",
      presence_penaltyHint: "Macht Tokens, die schon vorkamen, einmalig unwahrscheinlicher.",
      frequency_penalty: "Abzug für Häufigkeit",
      frequency_penaltyHint: "Macht Tokens mit jedem Vorkommen unwahrscheinlicher.",
      repetition_penalty: "Abzug für Wiederholung",
      repetition_penaltyHint: "Macht Tokens aus Frage und Antwort unwahrscheinlicher; 1 ist aus.",
      seed: "Startzahl",
      seedHint: "Dieselbe Zahl gibt dieselbe Antwort. Leer: jedes Mal eine neue.",
      stop: "Anhalten bei",
      stopHint: "Ein Text je Zeile; \\n ist ein Zeilenumbruch.",
      more: "Abzüge, Startzahl, Anhalten",
      reset: "Zurücksetzen",
      slider: "{name}, Regler",
      sampling: "Auswahl der Tokens",
    },
  ),
);

interface Props {
  sampling: Sampling;
  onChange: (sampling: Sampling) => void;
}

export function SamplingControls({ sampling, onChange }: Props) {
  const set = (name: Field["name"], value: number) => onChange({ ...sampling, [name]: value });
  const { stop: _stop, ...withoutStop } = sampling;
  const { seed: _seed, ...withoutSeed } = sampling;
  const row = (field: Field) => (
    <FieldRow key={field.name} field={field} value={sampling[field.name]} onChange={(value) => set(field.name, value)} />
  );
  return (
    <fieldset class="sampling">
      <legend>
        <span class="field-name">{say("sampling")}</span>
        <button type="button" class="quiet small" onClick={() => onChange({ ...DEFAULT_SAMPLING })}>
          {say("reset")}
        </button>
      </legend>
      {FIELDS.filter((field) => !field.rare).map(row)}
      <details>
        <summary>{say("more")}</summary>
        <div class="sampling-more">
          {FIELDS.filter((field) => field.rare).map(row)}
          <label>
            <span>{say("seed")}</span>
            <input
              inputMode="numeric"
              value={sampling.seed === undefined ? "" : String(sampling.seed)}
              onChange={(event) => {
                const text = event.currentTarget.value.trim();
                onChange(/^\d{1,15}$/.test(text) ? { ...sampling, seed: Number(text) } : withoutSeed);
              }}
            />
            <span class="hint">{say("seedHint")}</span>
          </label>
          <label>
            <span>{say("stop")}</span>
            <textarea
              rows={2}
              value={showStops(sampling.stop)}
              onChange={(event) => {
                const stops = readStops(event.currentTarget.value);
                onChange(stops.length ? { ...sampling, stop: stops } : withoutStop);
              }}
            />
            <span class="hint">{say("stopHint")}</span>
          </label>
        </div>
      </details>
    </fieldset>
  );
}

function FieldRow({ field, value, onChange }: { field: Field; value: number; onChange: (value: number) => void }) {
  const id = useId();
  const { least, most, step } = field;
  return (
    <div class="sampling-row" title={say(`${field.name}Hint`)}>
      <label for={id}>{say(field.name)}</label>
      <input
        id={id}
        class="numbers"
        inputMode="decimal"
        value={String(value)}
        onChange={(event) => {
          const read = readNumber(event.currentTarget.value, field, value);
          event.currentTarget.value = String(read);
          onChange(read);
        }}
      />
      <input
        type="range"
        aria-label={say("slider", { name: say(field.name) })}
        min={least}
        max={most}
        step={step}
        value={value}
        aria-description={say(`${field.name}Hint`)}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
    </div>
  );
}
