// Who is here and which models are served: asked once at the start, shared by all pages.
import { computed, signal } from "@preact/signals";
import { api, explain, type Me, type Model } from "./api";
import { language, type Language } from "./preferences";
import { go, route } from "./router";

export const me = signal<Me | null>(null);
export const models = signal<Model[]>([]);
export const startFailure = signal<string | null>(null);

export const chatModels = computed(() => models.value.filter((model) => (model.kind ?? "chat") === "chat"));
export const writingModels = computed(() => models.value.filter((model) => model.kind !== "reward"));
export const scored = computed(() => models.value.some((model) => model.kind === "reward"));

export async function start(): Promise<void> {
  try {
    await enter(await api.me());
  } catch (error) {
    startFailure.value = explain(error);
  }
}

/** Take note of who signed in (or is let in without), and fetch what the pages need. */
export async function enter(answer: Me): Promise<void> {
  if (answer.access === "open") models.value = await api.models();
  if (answer.person) language.value = answer.person.language === "de" ? "de" : "en";
  me.value = answer;
  const atDoor = ["login", "setup", "invite"].includes(route.value);
  if (answer.access === "login" && !atDoor) go("login", {}, true);
  else if (answer.access === "setup" && !atDoor) go("setup", {}, true);
}

/** Speak another language from now on; an account remembers it for other browsers. */
export async function speak(chosen: Language): Promise<void> {
  if (language.value === chosen) return;
  language.value = chosen;
  if (me.value?.person) me.value = await api.speak(chosen);
}

export async function leave(): Promise<void> {
  const answer = await api.logout();
  models.value = [];
  await enter(answer ?? (await api.me()));
}
