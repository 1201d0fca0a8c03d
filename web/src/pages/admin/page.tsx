// The admin page: one tab per kind of work, each with an address of its own.
import type { ComponentType } from "preact";
import { type Tab, Tabs } from "../../parts/tabs";
import { go, place } from "../../router";
import { me } from "../../session";
import { Confirmation } from "./confirm";
import { Exchange } from "./exchange";
import { Keys } from "./keys";
import { People } from "./people";
import { Quality } from "./quality";
import { Queue } from "./queue";
import { Review } from "./review";
import { SettingsForm } from "./settings";
import { Usage } from "./usage";
import { say } from "./words";
import "../../parts/panels.css";
import "./admin.css";

const VIEWS = {
  people: People,
  keys: Keys,
  usage: Usage,
  review: Review,
  quality: Quality,
  queue: Queue,
  exchange: Exchange,
  settings: SettingsForm,
} satisfies Record<string, ComponentType>;
type View = keyof typeof VIEWS;

export default function AdminPage() {
  const asked = place.value.query.get("tab") ?? "";
  const view = (asked in VIEWS ? asked : "people") as View;
  if (me.value?.role !== "admin") {
    return (
      <section class="door">
        <h1>{say("heading")}</h1>
        <p>{say("onlyAdmins")}</p>
      </section>
    );
  }
  const Shown = VIEWS[view];
  const tabs: Tab<View>[] = (Object.keys(VIEWS) as View[]).map((name) => ({ name, label: say(name) }));
  return (
    <div class="frame admin">
      <header class="frame-head">
        <div>
          <h1>{say("heading")}</h1>
          <p>{say("lead")}</p>
        </div>
      </header>
      <Tabs label={say("heading")} tabs={tabs} chosen={view} onChoose={(tab) => go("admin", { tab }, true)}>
        <Shown />
      </Tabs>
      <Confirmation />
    </div>
  );
}
