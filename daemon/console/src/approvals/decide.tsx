/** Asks once more before a decision, which nobody can take back. */
import { Field } from "../ui/field";
import { FormDialog, trimmed } from "../ui/form";
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
  const approving = verdict === "approve";
  const decide = async (data: FormData) => {
    await api.decide(approval.id, verdict, trimmed(data, "note"));
    say(approving ? "Approved." : "Denied.");
    onClose();
    void reload();
  };
  return (
    <FormDialog
      title={approving ? "Approve this?" : "Deny this?"}
      action={approving ? "Approve" : "Deny"}
      danger={!approving}
      onClose={onClose}
      submit={decide}
    >
      <p>
        {approval.requested_by} asks for: <strong class="wrap">{what(approval)}</strong>
      </p>
      <Field
        label={`Note (may be empty; ${approval.requested_by} reads it)`}
        name="note"
        maxLength={1000}
        autocomplete="off"
      />
    </FormDialog>
  );
}
