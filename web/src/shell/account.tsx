// The signed-in person's name in the bar, and their account as a dialog that is fetched when it is first opened.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { report } from "../parts/notices";
import { say } from "./words";

const opened = signal<ComponentType<{ onClose: () => void }> | null>(null);

async function open(): Promise<void> {
  opened.value = (await import("../pages/account/dialog")).AccountDialog;
}

export function AccountButton({ name }: { name: string }) {
  const label = say("signedInAs", { name });
  return (
    <button type="button" class="quiet small account" aria-label={label} title={label} onClick={() => open().catch(report)}>
      {name}
    </button>
  );
}

/** Outside the bar: a dialog is no part of a page's banner. */
export function Account() {
  const Shown = opened.value;
  return Shown && <Shown onClose={() => (opened.value = null)} />;
}
