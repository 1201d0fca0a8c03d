import { render } from "preact";
import { applyPreferences } from "./preferences";
import { listen } from "./router";
import { start } from "./session";
import { Shell } from "./shell/shell";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";

applyPreferences();
listen();
void start();
const app = document.getElementById("app");
if (app) render(<Shell />, app);
