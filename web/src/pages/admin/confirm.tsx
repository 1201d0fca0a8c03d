// "Are you sure?" for what cannot be undone: one dialog, asked with a promise.
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { Dialog } from "../../parts/dialog";
import { say } from "./words";

interface Question {
  title: string;
  text: string;
  action: string;
  isDanger?: boolean;
  /** To be typed before the button works. */
  typed?: string;
}

const asked = signal<(Question & { answer: (isSure: boolean) => void }) | null>(null);

/** Ask; true only if the button of the action was pressed. */
export function sure(question: Question): Promise<boolean> {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer: (isSure) => {
        asked.value = null;
        resolve(isSure);
      },
    };
  });
}

export function Confirmation() {
  const question = asked.value;
  return question && <Ask key={question.title} {...question} />;
}

function Ask({ title, text, action, isDanger = true, typed, answer }: NonNullable<typeof asked.value>) {
  const [given, setGiven] = useState("");
  const isReady = typed === undefined || given.trim() === typed.trim();
  return (
    <Dialog title={title} close={say("close")} onClose={() => answer(false)}>
      <p>{text}</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) answer(true);
        }}
      >
        {typed !== undefined && (
          <label>
            <span>{say("typeName", { name: typed })}</span>
            <input value={given} autocomplete="off" onInput={(event) => setGiven(event.currentTarget.value)} />
          </label>
        )}
        <div class="dialog-actions">
          <button type="button" class="plain" onClick={() => answer(false)}>
            {say("cancel")}
          </button>
          <button type="submit" class={isDanger ? "primary danger" : "primary"} disabled={!isReady}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
