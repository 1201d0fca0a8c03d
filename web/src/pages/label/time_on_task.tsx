// The time on this task, told quietly: it is kept with the judgement, so whoever is timed can see it.
import { useEffect, useState } from "preact/hooks";
import { secondsSoFar } from "./state";
import { say } from "./words";

export function TimeOnTask() {
  const [seconds, setSeconds] = useState(secondsSoFar);
  useEffect(() => {
    const ticking = setInterval(() => setSeconds(secondsSoFar()), 1000);
    return () => clearInterval(ticking);
  }, []);
  return (
    <span class="numbers" role="timer" aria-label={say("timeOnTask")} title={say("timeOnTaskMore")}>
      {clock(seconds)}
    </span>
  );
}

/** 75.4 seconds are "1:15". */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
