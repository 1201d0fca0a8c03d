// The few-shot builder: instruction, examples, question; compared with none, one and all examples.
import { Icon } from "../../parts/icons";
import { type Example, fewShotPrompt, type Shots } from "./prompts";
import { mode, prompt, shots } from "./state";
import { say } from "./words";

const set = (change: Partial<Shots>): void => {
  shots.value = { ...shots.value, ...change };
};

export function FewShot() {
  const now = shots.value;
  const setExample = (place: number, change: Partial<Example>) =>
    set({ examples: now.examples.map((one, other) => (other === place ? { ...one, ...change } : one)) });
  return (
    <div class="few-shot card">
      <label>
        <span>{say("instruction")}</span>
        <textarea rows={2} value={now.instruction} onInput={(event) => set({ instruction: event.currentTarget.value })} />
      </label>
      <div class="few-shot-names">
        <label>
          <span>{say("inputName")}</span>
          <input value={now.inputName} onInput={(event) => set({ inputName: event.currentTarget.value })} />
        </label>
        <label>
          <span>{say("outputName")}</span>
          <input value={now.outputName} onInput={(event) => set({ outputName: event.currentTarget.value })} />
        </label>
      </div>
      <div role="group" aria-label={say("examples")} class="few-shot-examples">
        <span class="field-name">{say("examples")}</span>
        {now.examples.map((example, place) => (
          <div class="few-shot-row" key={place}>
            <input
              aria-label={say("exampleInput", { number: place + 1 })}
              placeholder={say("input")}
              value={example.input}
              onInput={(event) => setExample(place, { input: event.currentTarget.value })}
            />
            <input
              aria-label={say("exampleOutput", { number: place + 1 })}
              placeholder={say("output")}
              value={example.output}
              onInput={(event) => setExample(place, { output: event.currentTarget.value })}
            />
            <button
              type="button"
              class="quiet square"
              aria-label={say("removeExample", { number: place + 1 })}
              onClick={() => set({ examples: now.examples.filter((_, other) => other !== place) })}
            >
              <Icon name="close" />
            </button>
          </div>
        ))}
        <button
          type="button"
          class="quiet small"
          onClick={() => set({ examples: [...now.examples, { input: "", output: "" }] })}
        >
          <Icon name="plus" />
          {say("addExample")}
        </button>
      </div>
      <label>
        <span>{say("query")}</span>
        <input value={now.query} onInput={(event) => set({ query: event.currentTarget.value })} />
      </label>
      <p class="hint">{say("answerLine")}</p>
      <button
        type="button"
        class="quiet small few-shot-use"
        onClick={() => {
          prompt.value = fewShotPrompt(now, now.examples.length);
          mode.value = "text";
        }}
      >
        {say("useAsText")}
      </button>
    </div>
  );
}
