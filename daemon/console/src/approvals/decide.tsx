/** Asks once more before a decision, which nobody can take back. */
import { useState } from "preact/hooks";
import { useBusy } from "../ui/busy";
import { Confirm } from "../ui/dialog";
import { Problem } from "../ui/notice";
import { say } from "../ui/toast";
import * as api from "./api";
import { reload } from "./live";
import type { Approval } from "./wire";
import { what } from "./words";

export type Verdict = "approve" | "deny";

interface Props {
  approval: Approval;
  verdict: Verdict;
  onClose: () => void;
}

export function Decide({ approval, verdict, onClose }: Props) {
  const { busy, error, run } = useBusy();
  const [note, setNote] = useState("");
  const approving = verdict === "approve";
  const decide = () =>
    run(async () => {
      await api.decide(approval.id, verdict, note.trim());
      say(approving ? "Approved." : "Denied.");
      onClose();
      void reload();
    });
  return (
    <Confirm
      title={approving ? "Approve this?" : "Deny this?"}
      action={approving ? "Approve" : "Deny"}
      danger={!approving}
      busy={busy}
      onClose={onClose}
      onConfirm={decide}
    >
      {error && <Problem>{error}</Problem>}
      <p>
        {approval.requested_by} asks for: <strong class="wrap">{what(approval)}</strong>
      </p>
      <label class="field">
        <span>Note (may be empty; {approval.requested_by} reads it)</span>
        <input
          name="note"
          maxLength={1000}
          autocomplete="off"
          value={note}
          onInput={(event) => setNote(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            decide();
          }}
        />
      </label>
    </Confirm>
  );
}
