// Stands in for a page that is still to come.
import { say } from "./words";

export default function NotHereYet() {
  return (
    <section class="door">
      <h1>{say("notHere")}</h1>
      <p>{say("notHereMore")}</p>
    </section>
  );
}
