// The same content in two languages: what each costs in tokens.
import { useState } from "preact/hooks";
import { number } from "../../words";
import { countsOf } from "./bytes";
import { useTokens } from "./use_tokens";
import { say } from "./words";

export function Languages({ models }: { models: string[] }) {
  const [english, setEnglish] = useState(() => say("sampleEnglish"));
  const [german, setGerman] = useState(() => say("sampleGerman"));
  return (
    <section class="languages">
      <h2>{say("languages")}</h2>
      <p>{say("languagesLead")}</p>
      <div class="languages-texts">
        <label>
          <span>{say("english")}</span>
          <textarea lang="en" rows={3} value={english} onInput={(event) => setEnglish(event.currentTarget.value)} />
        </label>
        <label>
          <span>{say("german")}</span>
          <textarea lang="de" rows={3} value={german} onInput={(event) => setGerman(event.currentTarget.value)} />
        </label>
      </div>
      {models.map((model) => (
        <Cost key={model} model={model} english={english} german={german} />
      ))}
    </section>
  );
}

function Cost({ model, english, german }: { model: string; english: string; german: string }) {
  const left = useTokens(model, english);
  const right = useTokens(model, german);
  if (!left || !right) return null;
  const sides = [
    { name: say("english"), counts: countsOf(left.text, left.list.tokens) },
    { name: say("german"), counts: countsOf(right.text, right.list.tokens) },
  ];
  const most = Math.max(1, ...sides.map((side) => side.counts.tokens));
  return (
    <div class="cost card">
      <p>
        <strong>{model}</strong> {sentence(sides[0]?.counts.tokens ?? 0, sides[1]?.counts.tokens ?? 0)}
      </p>
      {sides.map(({ name, counts }) => (
        <div class="cost-row" key={name}>
          <span>{name}</span>
          <span class="cost-bar" aria-hidden="true">
            <i style={{ width: `${(100 * counts.tokens) / most}%` }} />
          </span>
          <span class="numbers">
            {number(counts.tokens)} {say("tokens")} · {number(counts.bytesPerToken, 2)} {say("perToken")}
          </span>
        </div>
      ))}
    </div>
  );
}

function sentence(english: number, german: number): string {
  if (!english || !german || english === german) return say("ratioSame");
  return german > english
    ? say("ratioMore", { ratio: number(german / english, 2) })
    : say("ratioLess", { ratio: number(english / german, 2) });
}
