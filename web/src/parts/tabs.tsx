// Tabs as the WAI pattern has them: one stop of the Tab key, arrows, Home and End walk and choose.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { walk } from "./roving";
import "./panels.css";

export interface Tab<Name extends string> {
  name: Name;
  label: string;
}

interface Props<Name extends string> {
  label: string;
  tabs: Tab<Name>[];
  chosen: Name;
  onChoose: (name: Name) => void;
  children: ComponentChildren;
}

export function Tabs<Name extends string>({ label, tabs, chosen, onChoose, children }: Props<Name>) {
  const bar = useRef<HTMLDivElement>(null);
  const id = (name: string, kind: string) => `${kind}-${name}`;
  useLayoutEffect(() => showChosen(bar.current), [chosen]);
  return (
    <>
      <div
        ref={bar}
        class="tabs"
        role="tablist"
        aria-label={label}
        onKeyDown={(event) => walk(event, bar.current, "[role=tab]")}
      >
        {tabs.map((tab) => (
          <button
            key={tab.name}
            id={id(tab.name, "tab")}
            type="button"
            role="tab"
            aria-selected={tab.name === chosen}
            aria-controls={tab.name === chosen ? id(tab.name, "panel") : undefined}
            tabIndex={tab.name === chosen ? 0 : -1}
            onClick={() => onChoose(tab.name)}
            onFocus={() => tab.name !== chosen && onChoose(tab.name)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div key={chosen} class="panel" role="tabpanel" id={id(chosen, "panel")} aria-labelledby={id(chosen, "tab")}>
        {children}
      </div>
    </>
  );
}

/** On a narrow screen the chosen tab may lie outside the bar. The page itself must not move. */
function showChosen(bar: HTMLElement | null): void {
  const tab = bar?.querySelector<HTMLElement>("[aria-selected=true]");
  if (bar && tab) bar.scrollLeft = tab.offsetLeft - (bar.clientWidth - tab.offsetWidth) / 2;
}
