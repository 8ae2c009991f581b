/** Every page of the console: its title, and what shows it. Names are in `route.ts`. */
import type { ComponentType } from "preact";
import { AccountPage } from "../account/page";
import { AlertsPage } from "../alerts/page";
import { ApprovalsPage } from "../approvals/page";
import { PoliciesPage } from "../approvals/policies-page";
import { CompliancePage } from "../compliance/fleet-page";
import { RulePage } from "../compliance/rule-page";
import { ScanPage } from "../compliance/scan-page";
import { SchedulesPage } from "../compliance/schedules-page";
import { FeedPage } from "../feed/page";
import { InspectorPage } from "../inspector/page";
import { InvestigatePage } from "../investigate/page";
import { RolesPage } from "../people/roles-page";
import { TenantsPage } from "../people/tenants-page";
import { TokensPage } from "../people/tokens-page";
import type { PageName } from "../route";
import { SecurityPage } from "../security/page";
import { WebhooksPage } from "../webhooks/page";
import { AuditPage } from "./audit";
import { HostPage } from "./host";
import { HostsPage } from "./hosts";
import { JobPage } from "./job";
import { JobsPage } from "./jobs";
import { LoginPage } from "./login";
import { SessionsPage } from "./sessions";
import { TrustPage } from "./trust";
import { UsersPage } from "./users";

export interface PageEntry {
  title: string;
  /** Null for terminals, which stay while other pages are shown. */
  view: ComponentType | null;
}

export const PAGES: Readonly<Record<PageName, PageEntry>> = {
  login: { title: "Log in", view: LoginPage },
  hosts: { title: "Hosts", view: HostsPage },
  host: { title: "Host", view: HostPage },
  jobs: { title: "Jobs", view: JobsPage },
  job: { title: "Job", view: JobPage },
  compliance: { title: "Compliance", view: CompliancePage },
  scan: { title: "Scan", view: ScanPage },
  rule: { title: "Rule", view: RulePage },
  schedules: { title: "Schedules", view: SchedulesPage },
  terminal: { title: "Terminals", view: null },
  feed: { title: "Live feed", view: FeedPage },
  alerts: { title: "Alerts", view: AlertsPage },
  investigate: { title: "Investigation", view: InvestigatePage },
  sessions: { title: "Sessions", view: SessionsPage },
  approvals: { title: "Approvals", view: ApprovalsPage },
  policies: { title: "What needs approval", view: PoliciesPage },
  users: { title: "Users", view: UsersPage },
  security: { title: "Security", view: SecurityPage },
  inspector: { title: "Inspector", view: InspectorPage },
  roles: { title: "Roles", view: RolesPage },
  tokens: { title: "API tokens", view: TokensPage },
  tenants: { title: "Tenants", view: TenantsPage },
  webhooks: { title: "Webhooks", view: WebhooksPage },
  audit: { title: "Audit", view: AuditPage },
  account: { title: "Account", view: AccountPage },
  trust: { title: "Trusting this daemon", view: TrustPage },
};
