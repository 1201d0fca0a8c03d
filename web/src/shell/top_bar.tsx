// The bar on every page: brand, pages, theme and language. On a narrow screen the pages move into a menu.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "../parts/icons";
import { report } from "../parts/notices";
import { language, theme, type Theme } from "../preferences";
import { addressOf, go, place, ROUTES, route, type Route } from "../router";
import { leave, me, speak } from "../session";
import { AccountButton } from "./account";
import { say } from "./words";

const THEMES: Theme[] = ["system", "light", "dark"];
const THEME_ICONS: Record<Theme, IconName> = { system: "auto", light: "sun", dark: "moon" };

interface PageLinkProps {
  to: Route;
  children: ComponentChildren;
  class?: string;
  isCurrent?: boolean;
  onGo?: () => void;
}

export function PageLink({ to, onGo, children, class: extra, isCurrent = false }: PageLinkProps) {
  return (
    <a
      class={extra}
      aria-current={isCurrent ? "page" : undefined}
      href={addressOf(to)}
      onClick={(event) => {
        // Keep "open in a new tab" and friends.
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
        onGo?.();
      }}
    >
      {children}
    </a>
  );
}

export function TopBar() {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => setOpen(false), [place.value]);
  useLayoutEffect(() => {
    if (!open) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      button.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [open]);
  const inside = me.value?.access === "open";
  return (
    <header class={open ? "top-bar open" : "top-bar"}>
      <PageLink to="chat" class="brand">
        <Mark />
        <span>chatwright</span>
      </PageLink>
      {inside && (
        <button
          ref={button}
          type="button"
          class="quiet square only-narrow"
          aria-label={say("menu")}
          aria-expanded={open}
          aria-controls="pages"
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? "close" : "menu"} />
        </button>
      )}
      <div class="top-bar-fold" id="pages">
        {inside && (
          <nav aria-label={say("pages")}>
            {ROUTES.filter(isShown).map((name) => (
              <PageLink
                key={name}
                to={name}
                onGo={() => setOpen(false)}
                isCurrent={route.value === name}
              >
                {say(name)}
              </PageLink>
            ))}
          </nav>
        )}
        <div class="top-bar-choices">
          <ThemeChoice />
          <LanguageChoice />
          {me.value?.person && <AccountButton name={me.value.person.name} />}
          {me.value?.person && (
            <button
              type="button"
              class="quiet small"
              onClick={() => leave().catch(report)}
            >
              {say("signOut")}
            </button>
          )}
        </div>
      </div>
    </header>
  );
}

/** The server enforces roles; hiding what would be refused only spares a click. */
function isShown(name: Route): boolean {
  const role = me.value?.role;
  if (name === "admin") return role === "admin";
  if (name === "runs") return role !== "chatter";
  return true; // whoever only chats finds the blind comparisons under "label"
}

function ThemeChoice() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  return (
    <button
      type="button"
      class="quiet square"
      aria-label={`${say("theme")}: ${say(theme.value)}`}
      title={`${say("theme")}: ${say(theme.value)}`}
      onClick={() => (theme.value = next)}
    >
      <Icon name={THEME_ICONS[theme.value]} />
    </button>
  );
}

function LanguageChoice() {
  return (
    <div class="segments" role="group" aria-label={say("language")}>
      {(["en", "de"] as const).map((code) => (
        <button
          key={code}
          type="button"
          lang={code}
          aria-pressed={language.value === code}
          aria-label={code === "en" ? "EN, English" : "DE, Deutsch"}
          onClick={() => speak(code).catch(report)}
        >
          {code.toUpperCase()}
        </button>
      ))}
    </div>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path class="bubble" d="M9 10.5a2 2 0 0 1 2-2h10a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-5.2L12 23.4v-3.9h-1a2 2 0 0 1-2-2z" />
      <path class="lines" d="M12.6 12.4h6.8M12.6 15.6h4" />
    </svg>
  );
}
