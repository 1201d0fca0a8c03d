// The tokens page: any text as tokens, one or two tokenizers, the merges of a token, German beside English.
import { useState } from "preact/hooks";
import type { TokenPiece } from "../../api";
import { Icon } from "../../parts/icons";
import { writingModels } from "../../session";
import { Languages } from "./languages";
import { TokenDetail } from "./merge_path";
import { TokenView, type View } from "./token_view";
import { say } from "./words";
import "./tokens.css";

const VIEWS: View[] = ["asText", "asIds", "asBytes"];

export default function TokensPage() {
  const served = writingModels.value.map((model) => model.id);
  const [text, setText] = useState(() => say("sample"));
  const [view, setView] = useState<View>("asText");
  const [chosen, setChosen] = useState<[string, string]>([served[0] ?? "", served.at(-1) ?? ""]);
  const [isPair, setPair] = useState(false);
  const [selected, setSelected] = useState<{ model: string; place: number; piece: TokenPiece } | null>(null);
  if (!served.length) {
    return (
      <section class="door">
        <h1>{say("heading")}</h1>
        <p>{say("noModel")}</p>
      </section>
    );
  }
  const models = isPair ? chosen : [chosen[0]];
  const select = (column: 0 | 1, label: string) => (
    <select
      aria-label={label}
      value={chosen[column]}
      onChange={(event) => {
        const next: [string, string] = [...chosen];
        next[column] = event.currentTarget.value;
        setChosen(next);
        setSelected(null);
      }}
    >
      {served.map((id) => (
        <option key={id} value={id}>
          {id}
        </option>
      ))}
    </select>
  );
  return (
    <div class="tokens-page">
      <header>
        <h1>{say("heading")}</h1>
        <p>{say("lead")}</p>
      </header>
      <textarea
        class="tokens-input"
        rows={4}
        aria-label={say("text")}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setSelected(null);
        }}
      />
      <div class="tokens-tools">
        {select(0, say("model"))}
        {isPair && select(1, say("second"))}
        {served.length > 1 && (
          <button type="button" class="quiet small" aria-pressed={isPair} onClick={() => setPair(!isPair)}>
            <Icon name="drafts" />
            {say("compare")}
          </button>
        )}
        <div class="segments" role="group" aria-label={say("view")}>
          {VIEWS.map((one) => (
            <button key={one} type="button" aria-pressed={view === one} onClick={() => setView(one)}>
              {say(one)}
            </button>
          ))}
        </div>
      </div>
      <div class="tokens-columns">
        <div class="tokens-views">
          {models.map((model, column) => (
            <TokenView
              key={column}
              model={model}
              text={text}
              view={view}
              selected={selected}
              onSelect={setSelected}
            />
          ))}
        </div>
        <aside class="token-detail card" aria-label={say("detail")} aria-live="polite">
          <TokenDetail chosen={selected} />
        </aside>
      </div>
      <Languages models={[...new Set(models)]} />
    </div>
  );
}
