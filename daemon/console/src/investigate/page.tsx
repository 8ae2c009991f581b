/** Tools that hosts allow, run on several of them for a case, side by side. */
import { may, whenLoggedOut } from "../session";
import { Problem } from "../ui/notice";
import { InvestigateForm } from "./form";
import { useFrames } from "./frames";
import { CaseReceipts } from "./receipts";
import { current } from "./run";
import { TrailView } from "./trail";

function Trails() {
  useFrames();
  const now = current.value;
  if (!now) return null;
  return (
    <>
      <h2>
        {now.tool} for {now.caseId}
      </h2>
      {now.failures.map(({ name, why }) => (
        <Problem key={name}>
          {name}: {why}
        </Problem>
      ))}
      <div class="trails">
        {now.trails.map((trail) => (
          <TrailView key={trail.host.id} trail={trail} />
        ))}
      </div>
      {may("cases:read") && <CaseReceipts key={now.caseId} caseId={now.caseId} />}
    </>
  );
}

export function InvestigatePage() {
  if (!may("jobs:run")) return <Problem>Your role does not allow you to run tools.</Problem>;
  return (
    <div class="page">
      <header class="page-head">
        <h1>Investigation</h1>
      </header>
      <p class="quiet">
        A host runs only what the section [tools] of its agent's file lists, with arguments that it
        allows. What is printed goes to everybody who follows the case.
      </p>
      <InvestigateForm />
      <Trails />
    </div>
  );
}

whenLoggedOut(() => {
  current.value = null;
});
