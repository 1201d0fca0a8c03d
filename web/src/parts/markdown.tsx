// Model output as formatted text. Raw HTML in it is shown as text, and what the parser makes is sanitised once more.
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { useLayoutEffect, useRef } from "preact/hooks";
import { copyText } from "./clipboard";

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: { html: ({ text }) => escapeHtml(text), image: ({ text, href }) => escapeHtml(`![${text}](${href})`) },
});

const ALLOWED = {
  ALLOWED_TAGS: (
    "p br strong em del code pre ul ol li blockquote h1 h2 h3 h4 h5 h6 hr a table thead tbody tr th td input"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "class", "start", "type", "checked", "disabled", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
} as const;

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

interface CopyWords {
  copy: string;
  copied: string;
}

export function fragmentOf(text: string, words: CopyWords): DocumentFragment {
  const html = marked.parse(text, { async: false });
  const fragment = DOMPurify.sanitize(html, { ...ALLOWED, ALLOWED_TAGS: [...ALLOWED.ALLOWED_TAGS], ALLOWED_ATTR: [...ALLOWED.ALLOWED_ATTR] });
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const box of fragment.querySelectorAll("input")) {
    if (box.type !== "checkbox") box.remove();
    else box.disabled = true;
  }
  for (const block of fragment.querySelectorAll("pre")) addHead(block, words);
  return fragment;
}

/** Name of the language and a copy button above a block of code. */
function addHead(block: HTMLPreElement, words: CopyWords): void {
  const language = /language-([\w+#-]+)/.exec(block.querySelector("code")?.className ?? "")?.[1] ?? "";
  const head = document.createElement("div");
  head.className = "code-head";
  const name = document.createElement("span");
  name.textContent = language;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = words.copy;
  button.addEventListener("click", () => {
    void copyText(block.textContent ?? "").then(() => {
      button.textContent = words.copied;
      setTimeout(() => (button.textContent = words.copy), 1600);
    });
  });
  head.append(name, button);
  const frame = document.createElement("div");
  frame.className = "code-block";
  block.tabIndex = 0; // long lines scroll: the keyboard must reach them
  block.replaceWith(frame);
  frame.append(head, block);
}

export function Markdown({ text, copy, copied }: { text: string } & CopyWords) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    ref.current?.replaceChildren(fragmentOf(text, { copy, copied }));
  }, [text, copy, copied]);
  return <div class="markdown" ref={ref} />;
}
