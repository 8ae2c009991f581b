/** Gives one host a command. */

import { useState } from "preact/hooks";
import { ScannerFields } from "../compliance/scanner-fields";
import type { Scanner } from "../compliance/wire";
import { go } from "../route";
import { Field } from "../ui/field";
import { FormDialog, text, trimmed } from "../ui/form";
import type { Host } from "../wire";
import * as api from "./api";
import type { NewOrder } from "./wire";

/** Reads `name=value`, one a line. */
export function readArguments(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const [, name, value] = /^\s*([^=\s]+)\s*=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw new Error(`Write arguments as name=value, one a line: "${line.trim()}" is not one.`);
    found[name] = value.trim();
  }
  return found;
}

/** What a scan is to look for; what is left empty is the agent's own choice. */
function readScan(data: FormData): NewOrder {
  const scanner = String(data.get("scanner") ?? "openscap");
  const profile = trimmed(data, "profile");
  return { command: "compliance_scan", params: { scanner, ...(profile ? { profile } : {}) } };
}

function readOrder(data: FormData, command: string): NewOrder {
  if (command === "compliance_scan") return readScan(data);
  if (command === "update_packages") return { command, params: { mode: data.get("mode") } };
  if (command !== "run_tool") return { command };
  const tool = trimmed(data, "tool");
  return { command, params: { tool, args: readArguments(text(data, "args")) } };
}

/** With which scanners each kind of agent can be asked to look. */
const offeredScanners = (host: Host): Scanner[] =>
  host.agent === "patchmon" ? ["openscap", "docker-bench"] : ["openscap", "lynis"];

function ScanFields({ host }: { host: Host }) {
  return (
    <>
      <ScannerFields offered={offeredScanners(host)} whose="the agent's" />
      {host.agent !== "patchmon" && (
        <p class="quiet">
          The host scans only if its agent's file says <code>policy.scan = true</code> and the
          scanner is installed there.
        </p>
      )}
    </>
  );
}

const COMMANDS: readonly [command: string, words: string][] = [
  ["report_now", "Report: system, packages, updates, disks"],
  ["docker_inventory", "Containers: what runs, and of what"],
  ["refresh_integration_status", "Abilities: what else this host can do"],
  ["compliance_scan", "Compliance scan: what does not comply"],
  ["update_packages", "Update packages"],
  ["update_agent", "Update the agent to a newer version"],
  ["run_tool", "Run a tool of the host's own list"],
];

/** What PatchMon's agents have no words for. */
const OURS = ["update_packages", "run_tool"];

const MODES: readonly [mode: string, words: string][] = [
  ["dry_run", "Only say what would be updated"],
  ["security", "Those for security"],
  ["all", "All of them"],
];

interface Props {
  host: Host;
  /** The command that is chosen at first. */
  command?: string;
  onClose: () => void;
}

export function RunDialog({ host, command: first = "report_now", onClose }: Props) {
  const [command, setCommand] = useState(first);
  const offered = COMMANDS.filter(([name]) => host.agent !== "patchmon" || !OURS.includes(name));
  return (
    <FormDialog
      title={`Run on ${host.friendly_name}`}
      action="Run"
      onClose={onClose}
      submit={async (data) => {
        const { job_id } = await api.order(host.id, readOrder(data, command));
        onClose();
        go("job", { id: job_id });
      }}
    >
      <fieldset class="choices">
        <legend>Command</legend>
        {offered.map(([name, words]) => (
          <label key={name} class="choice">
            <input
              type="radio"
              name="command"
              value={name}
              checked={name === command}
              onChange={() => setCommand(name)}
            />
            {words}
          </label>
        ))}
      </fieldset>
      {command === "compliance_scan" && <ScanFields host={host} />}
      {command === "update_packages" && (
        <>
          <label class="field">
            <span>Which</span>
            <select name="mode">
              {MODES.map(([mode, words]) => (
                <option key={mode} value={mode}>
                  {words}
                </option>
              ))}
            </select>
          </label>
          <p class="quiet">The host does so only if its agent's file has policy.packages.</p>
        </>
      )}
      {command === "run_tool" && (
        <>
          <Field label="Tool" name="tool" required autocomplete="off" spellcheck={false} />
          <label class="field">
            <span>Arguments, as name=value, one a line</span>
            <textarea name="args" rows={3} spellcheck={false} />
          </label>
          <p class="quiet">
            The host runs only what the section [tools] of its agent's file lists, and refuses
            everything else.
          </p>
        </>
      )}
      {host.status.state !== "online" && (
        <p class="quiet">The host is away: it gets the command when it returns.</p>
      )}
    </FormDialog>
  );
}
