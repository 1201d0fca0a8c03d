// The frame around every page. Pages other than the open one are not loaded.
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { explain } from "../api";
import { Notices } from "../parts/notices";
import { route, type Route } from "../router";
import { me, start, startFailure } from "../session";
import { Account } from "./account";
import { Invite, Login, Setup } from "./door";
import { TopBar } from "./top_bar";
import { say } from "./words";

type Page = { default: ComponentType };

const LOADERS: Record<Exclude<Route, "login" | "setup" | "invite">, () => Promise<Page>> = {
  chat: () => import("../pages/chat/page"),
  playground: () => import("../pages/playground/page"),
  tokens: () => import("../pages/tokens/page"),
  explain: () => import("../pages/explain/page"),
  runs: () => import("../pages/runs/page"),
  label: () => import("../pages/label/page"),
  admin: () => import("../pages/admin/page"),
};
const DOORS: Partial<Record<Route, ComponentType>> = { login: Login, setup: Setup, invite: Invite };

const loaded = signal<Partial<Record<Route, ComponentType>>>(DOORS);
const failure = signal<string | null>(null);

async function load(name: Route): Promise<void> {
  if (loaded.value[name]) return;
  failure.value = null;
  try {
    const page = await LOADERS[name as keyof typeof LOADERS]();
    loaded.value = { ...loaded.value, [name]: page.default };
  } catch (error) {
    failure.value = explain(error);
  }
}

export function Shell() {
  const name = route.value;
  useEffect(() => {
    void load(name);
    document.title = name in LOADERS ? `${say(name as keyof typeof LOADERS)} · chatwright` : "chatwright";
  }, [name, say("chat")]);
  return (
    <>
      <a class="skip" href="#main" onClick={focusMain}>
        {say("skip")}
      </a>
      <TopBar />
      <Notices close={say("close")} />
      <main id="main" tabIndex={-1} data-page={name}>
        <Content name={name} />
      </main>
      <Account />
    </>
  );
}

function Content({ name }: { name: Route }) {
  if (startFailure.value) return <Trouble text={startFailure.value} />;
  if (failure.value) return <Trouble text={`${say("failed")} ${failure.value}`} />;
  const Page = loaded.value[name];
  const allowed = name in DOORS || me.value?.access === "open";
  if (!Page || !me.value || !allowed) return <p class="waiting">{say("loading")}</p>;
  return <Page />;
}

function Trouble({ text }: { text: string }) {
  const again = () => {
    startFailure.value = null;
    void start();
    void load(route.value);
  };
  return (
    <section class="door" role="alert">
      <h1>{say("unreachable")}</h1>
      <p>{text}</p>
      <button type="button" class="primary" onClick={again}>
        {say("tryAgain")}
      </button>
    </section>
  );
}

function focusMain(event: MouseEvent): void {
  event.preventDefault(); // the address must not change: routes are relative to it
  document.getElementById("main")?.focus();
}
