// What follows a thumb: reasons, a comment, and leave to train on it.
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Message, Thumb } from "../../api";
import { notify, report } from "../../parts/notices";
import { chat, giveFeedback } from "./state";
import { REASONS, say } from "./words";

export function FeedbackForm({ message, thumb, onClose }: { message: Message; thumb: Thumb; onClose: () => void }) {
  const form = useRef<HTMLFormElement>(null);
  useLayoutEffect(() => form.current?.querySelector("input")?.focus(), [thumb]);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    giveFeedback(message, {
      thumb,
      reasons: fields.getAll("reason").map(String),
      comment: String(fields.get("comment")).trim(),
      consent: fields.has("consent"),
    })
      .then(() => notify(say("thanks")))
      .catch(report);
    onClose();
  };
  return (
    <form
      ref={form}
      key={thumb}
      class="feedback card"
      aria-label={say(thumb === "up" ? "good" : "bad")}
      onSubmit={onSubmit}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
    >
      <fieldset>
        <legend class="field-name">{say("why")}</legend>
        <div class="chips">
          {REASONS[thumb].map((reason) => (
            <label key={reason} class="chip">
              <input type="checkbox" name="reason" value={reason} defaultChecked={message.feedback?.reasons.includes(reason) ?? false} />
              {say(reason)}
            </label>
          ))}
        </div>
      </fieldset>
      <label>
        <span>{say("comment")}</span>
        <textarea name="comment" rows={2} maxLength={2000} defaultValue={message.feedback?.comment ?? ""} />
      </label>
      <label class="check">
        <input type="checkbox" name="consent" defaultChecked={message.feedback?.consent ?? chat.value?.consent ?? false} />
        {say("consent")}
      </label>
      <div class="dialog-actions">
        <button type="button" class="quiet" onClick={onClose}>
          {say("close")}
        </button>
        <button type="submit" class="primary">
          {say("sendFeedback")}
        </button>
      </div>
    </form>
  );
}
