// Two languages. Each page keeps its own dictionary beside it; the type demands every key in both.
import { language, type Language } from "./preferences";

export type Dictionary<Key extends string> = Record<Language, Record<Key, string>>;
export type Values = Record<string, string | number>;
export type Say<Key extends string> = (key: Key, values?: Values) => string;

/** `say("left", { count: 3 })` fills "{count} tokens left". Reading `language` makes components follow a switch. */
export function speaker<Key extends string>(words: Dictionary<Key>): Say<Key> {
  return (key, values) => fill(words[language.value][key], values);
}

/** A dictionary whose German must hold exactly the English keys. */
export function dictionary<Key extends string>(en: Record<Key, string>, de: Record<NoInfer<Key>, string>): Dictionary<Key> {
  const words = { en, de };
  dictionaries.push(words);
  return words;
}

/** All dictionaries loaded so far: the tests look whether any text is missing. */
export const dictionaries: Dictionary<string>[] = [];

export function fill(text: string, values: Values = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

const formats = new Map<string, Intl.NumberFormat>();

export function number(value: number, digits = 0): string {
  const key = `${language.value}${digits}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(language.value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(key, format);
  }
  return format.format(value);
}

/** "62.8 %", with fewer digits where they would say nothing. */
export function percent(share: number): string {
  const digits = share >= 0.9995 || share < 0.0005 ? 0 : 1;
  const shown = number(share * 100, digits);
  return share > 0 && share < 0.0005 ? `< ${number(0.1, 1)} %` : `${shown} %`;
}

export function day(iso: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(new Date(iso));
}
