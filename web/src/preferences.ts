// What a person chose for this browser: theme, language, sampling settings. Kept in localStorage.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
export type Language = "en" | "de";

const KEY = "chatwright.preferences";

interface Preferences {
  theme: Theme;
  language: Language;
}

function stored(): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>;
  } catch (error) {
    // A browser may forbid storage, or the text may be damaged: the pages work with the defaults.
    console.warn("Preferences could not be read; the defaults are used.", error);
    return {};
  }
}

function browserLanguage(): Language {
  return typeof navigator !== "undefined" && navigator.language?.toLowerCase().startsWith("de") ? "de" : "en";
}

const start = typeof localStorage === "undefined" ? {} : stored();

export const theme = signal<Theme>(start.theme === "light" || start.theme === "dark" ? start.theme : "system");
export const language = signal<Language>(
  start.language === "en" || start.language === "de" ? start.language : browserLanguage(),
);

/** Keep the document and the storage equal to the signals. Called once, at the start. */
export function applyPreferences(): void {
  effect(() => {
    const root = document.documentElement;
    if (theme.value === "system") delete root.dataset.theme;
    else root.dataset.theme = theme.value;
    root.lang = language.value;
    remember(KEY, { theme: theme.value, language: language.value });
  });
}

export function remember(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch (error) {
    console.warn(`${key} could not be kept in this browser.`, error);
  }
}

export function recall<T extends object>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(key);
    return text ? { ...fallback, ...(JSON.parse(text) as Partial<T>) } : fallback;
  } catch (error) {
    console.warn(`${key} could not be read; the defaults are used.`, error);
    return fallback;
  }
}
