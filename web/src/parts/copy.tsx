// A button that copies text and says so for a moment.
import { useState } from "preact/hooks";
import { copyText } from "./clipboard";
import { Icon } from "./icons";

interface Props {
  text: () => string;
  label: string;
  done: string;
  class?: string;
  wordy?: boolean;
}

export function CopyButton({ text, label, done, class: extra = "quiet square", wordy = false }: Props) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await copyText(text());
    setCopied(true);
    setTimeout(() => setCopied(false), 1600);
  };
  const shown = copied ? done : label;
  return (
    <button type="button" class={extra} aria-label={wordy ? undefined : shown} title={wordy ? undefined : shown} onClick={copy}>
      <Icon name={copied ? "check" : "copy"} />
      {wordy && <span>{shown}</span>}
    </button>
  );
}
