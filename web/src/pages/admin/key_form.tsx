// The dialog that makes a key: a name, and limits for those who want them.
import { useState } from "preact/hooks";
import { explain } from "../../api";
import { Dialog } from "../../parts/dialog";
import { models } from "../../session";
import { office } from "./api";
import { keyOf } from "./key_fields";
import { say } from "./words";

export function KeyForm({ onClose, onMade }: { onClose: () => void; onMade: (secret: string) => void }) {
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    setBusy(true);
    setFailure(null);
    try {
      onMade((await office.addKey(keyOf(new FormData(form)))).secret);
    } catch (error) {
      setFailure(explain(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={say("newKey")} close={say("close")} onClose={onClose}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        <label>
          <span>{say("keyName")}</span>
          <input name="name" required maxLength={200} autocomplete="off" placeholder={say("keyNamePlaceholder")} />
        </label>
        <div class="form-line">
          <label>
            <span>{say("rate")}</span>
            <input name="rate" type="number" min={1} step={1} placeholder={say("noLimit")} />
          </label>
          <label>
            <span>{say("quota")}</span>
            <input name="quota" type="number" min={1} step={1} placeholder={say("noLimit")} />
          </label>
          <label>
            <span>{say("period")}</span>
            <select name="period">
              <option value="month">{say("eachMonth")}</option>
              <option value="total">{say("altogether")}</option>
            </select>
          </label>
        </div>
        <fieldset class="choices">
          <legend class="field-name">{say("whichModels")}</legend>
          {models.value.map((model) => (
            <label key={model.id} class="check">
              <input type="checkbox" name="model" value={model.id} />
              <bdi>{model.id}</bdi>
            </label>
          ))}
        </fieldset>
        {failure && (
          <p class="failure" role="alert">
            {failure}
          </p>
        )}
        <div class="dialog-actions">
          <button type="button" class="plain" onClick={onClose}>
            {say("cancel")}
          </button>
          <button type="submit" class="primary" disabled={isBusy}>
            {say("makeKey")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
