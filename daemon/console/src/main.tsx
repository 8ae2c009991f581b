/** The start of the console. */
import { render } from "preact";
import { App } from "./app";
import "./style/base.css";
import "./style/controls.css";
import "./style/marks.css";
import "./style/pages.css";
import "./style/hosts.css";
import "./style/jobs.css";
import "./style/compliance.css";
import "./style/telemetry.css";
import "./style/approvals.css";
import "./style/people.css";
import "./style/terminal.css";
import "./style/feed.css";

const root = document.getElementById("app");
if (root) render(<App />, root);
